"""The images of before the bitmaps are listed for them.

After the triggers are committed, which wait for every writer that does not know of them: so none is left out. One that
is listed twice is mapped twice.
"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("INSERT INTO unmapped_images (image) SELECT id FROM images ORDER BY created_at")


def downgrade() -> None:
    """Leave the list to the revision before."""
