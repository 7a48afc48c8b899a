"""The row by which all workers agree whether the cache may be used."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "cache_state",
        sa.Column("sole", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("name", sa.Uuid(), server_default=sa.func.gen_random_uuid(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("server", sa.String()),
        sa.Column("open_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("sole", name="pk_cache_state"),
        sa.CheckConstraint("sole", name=op.f("ck_cache_state_sole")),
    )
    op.execute("INSERT INTO cache_state DEFAULT VALUES")


def downgrade() -> None:
    op.drop_table("cache_state")
