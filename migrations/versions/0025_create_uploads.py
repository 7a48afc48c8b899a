"""Create the tables of resumable uploads."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "uploads",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("user_id", sa.Uuid()),
        sa.Column("client", sa.String()),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("tags", postgresql.ARRAY(sa.String()), nullable=False),
        sa.Column("visibility", sa.String(), nullable=False),
        sa.Column("on_conflict", sa.String()),
        sa.Column("sha256", sa.LargeBinary()),
        sa.Column("client_metadata", sa.Text()),
        sa.Column("length", sa.BigInteger()),
        sa.Column("received_bytes", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("storage_key", sa.String(), nullable=False),
        sa.Column("multipart_id", sa.String()),
        sa.Column("next_part_number", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("writer", sa.Uuid()),
        sa.Column("handover_requested", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("state", sa.String(), server_default="open", nullable=False),
        sa.Column("image_id", sa.Uuid(), sa.ForeignKey("images.id", ondelete="SET NULL"), index=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False, index=True),
        sa.CheckConstraint("state IN ('open', 'complete', 'cancelled')", name="state"),
        sa.CheckConstraint("visibility IN ('public', 'private')", name="visibility"),
    )
    op.create_index(
        "ix_uploads_user_id_created_at",
        "uploads",
        ["user_id", "created_at"],
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_index(
        "ix_uploads_client",
        "uploads",
        ["client"],
        postgresql_where=sa.text("state = 'open' AND client IS NOT NULL"),
    )
    op.create_table(
        "upload_parts",
        sa.Column("upload_id", sa.Uuid(), sa.ForeignKey("uploads.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("start", sa.BigInteger(), primary_key=True),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("part_number", sa.Integer()),
        sa.Column("etag", sa.String()),
        sa.Column("storage_key", sa.String()),
        sa.CheckConstraint("(part_number IS NULL) = (etag IS NULL)", name="part"),
        sa.CheckConstraint("(part_number IS NULL) <> (storage_key IS NULL)", name="place"),
    )


def downgrade() -> None:
    """Drop the tables. The sweeper deletes the objects of uploads in progress after their grace."""
    op.execute("UPDATE orphaned_objects SET orphaned_at = now() WHERE orphaned_at = 'infinity'")
    op.drop_table("upload_parts")
    op.drop_table("uploads")
