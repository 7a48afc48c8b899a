"""Idempotency keys of uploads; storage keys can be looked up, by the audit."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("id", sa.LargeBinary(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary()),
        sa.Column("answer", sa.Text()),
        sa.Column("image", sa.Uuid()),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_idempotency_keys"),
        sa.ForeignKeyConstraint(["image"], ["images.id"], name="fk_idempotency_keys_image_images", ondelete="CASCADE"),
        sa.CheckConstraint("(answer IS NULL) = (fingerprint IS NULL)", name=op.f("ck_idempotency_keys_answered")),
    )
    op.create_index("ix_images_storage_key", "images", ["storage_key"], unique=True)
    # The cascade looks keys up by their image, the sweeper by their end.
    op.create_index("ix_idempotency_keys_image", "idempotency_keys", ["image"])
    op.create_index("ix_idempotency_keys_expires_at", "idempotency_keys", ["expires_at"])


def downgrade() -> None:
    op.drop_table("idempotency_keys")
    op.drop_index("ix_images_storage_key", "images")
