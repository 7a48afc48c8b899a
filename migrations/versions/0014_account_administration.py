"""Accounts can be disabled and have a quota of their own."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("disabled", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("users", sa.Column("quota_bytes", sa.BigInteger()))


def downgrade() -> None:
    op.drop_column("users", "quota_bytes")
    op.drop_column("users", "disabled")
