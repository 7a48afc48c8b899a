"""The bitmaps of the common tags; the images of before are listed for them.

After the triggers are committed, which wait for every writer that does not know of them: so none is left out. One that
is listed twice is mapped twice. There are no bitmaps before the list is complete: what they say would be wrong.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import BIT

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tag_bitmaps",
        sa.Column("tag", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("chunk", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("bits", BIT(8192), nullable=False),
    )
    op.create_index("ix_tag_bitmaps_chunk_tag", "tag_bitmaps", ["chunk", "tag"])
    op.execute("INSERT INTO unmapped_images (image) SELECT id FROM images ORDER BY created_at")


def downgrade() -> None:
    op.drop_table("tag_bitmaps")
