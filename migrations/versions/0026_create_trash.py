"""Create the trash: the rows of deleted images, and their tags."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

MERGE_TRASHED_TAGS = """
CREATE FUNCTION merge_trashed_tags() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO trashed_tags (image, tag, created_at, is_explicit)
    SELECT image, NEW.alias_of, created_at, is_explicit FROM trashed_tags WHERE tag = NEW.id ORDER BY image
    ON CONFLICT (image, tag) DO UPDATE SET is_explicit = true WHERE excluded.is_explicit;
    DELETE FROM trashed_tags WHERE tag = NEW.id;
    RETURN NULL;
END $$
"""


def upgrade() -> None:
    op.create_table(
        "trashed_images",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("name", sa.String(collation="C"), nullable=False),
        sa.Column("storage_key", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("uploaded_by", sa.Uuid(), sa.ForeignKey("users.id", ondelete="SET NULL")),
        sa.Column("content_type", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("visibility", sa.String(), nullable=False),
        sa.Column("trashed_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("trashed_by", sa.Uuid()),
        sa.Column("batch", sa.Uuid(), index=True),
    )
    op.create_index("ix_trashed_images_trashed_at_id", "trashed_images", ["trashed_at", "id"])
    op.create_index(
        "ix_trashed_images_uploaded_by_trashed_at_id",
        "trashed_images",
        ["uploaded_by", "trashed_at", "id"],
        postgresql_include=["size"],
    )
    op.create_index("ix_trashed_images_storage_key", "trashed_images", ["storage_key"], unique=True)
    op.create_table(
        "trashed_tags",
        sa.Column("image", sa.Uuid(), sa.ForeignKey("trashed_images.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("tag", sa.Integer(), primary_key=True, autoincrement=False, index=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("is_explicit", sa.Boolean(), nullable=False),
    )
    # An image in the trash keeps its ordinal. The background task deletes it after a permanent deletion.
    op.execute(
        "CREATE TRIGGER trashed_images_bitmap_delete AFTER DELETE ON trashed_images "
        "REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION enqueue_bitmap_update()"
    )
    op.execute(MERGE_TRASHED_TAGS)
    # A lock that readers do not wait for; the transaction is short.
    op.execute(
        "CREATE TRIGGER tags_trashed_tags_update AFTER UPDATE OF alias_of ON tags FOR EACH ROW "
        "WHEN (NEW.alias_of IS NOT NULL AND OLD.alias_of IS DISTINCT FROM NEW.alias_of) "
        "EXECUTE FUNCTION merge_trashed_tags()"
    )


def downgrade() -> None:
    """Delete the trash permanently. The consistency check of the previous version finds the thumbnails."""
    op.execute(
        "INSERT INTO orphaned_objects (storage_key) SELECT storage_key FROM trashed_images ON CONFLICT DO NOTHING"
    )
    op.execute("DROP TRIGGER tags_trashed_tags_update ON tags")
    op.execute("DROP FUNCTION merge_trashed_tags()")
    op.drop_table("trashed_tags")
    op.drop_table("trashed_images")
