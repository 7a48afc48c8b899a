"""Create the aliases and implications that an operation on a tag changed."""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tag_operation_links",
        sa.Column("id", sa.BigInteger(), primary_key=True),
        sa.Column(
            "operation",
            sa.Uuid(),
            sa.ForeignKey("tag_operations.id", ondelete="CASCADE"),
            nullable=False,
            index=True,
        ),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("is_added", sa.Boolean(), nullable=False),
        sa.Column("tag_id", sa.Integer(), nullable=False),
        sa.Column("tag", sa.String(), nullable=False),
        sa.Column("other_id", sa.Integer(), nullable=False),
        sa.Column("other", sa.String(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("tag_operation_links")
