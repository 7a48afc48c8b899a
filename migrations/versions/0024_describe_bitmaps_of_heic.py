"""Describe the bitmaps of HEIC images, which the service adds to an existing index."""

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

BEFORE = "0: all images; -1: public images; -2 to -6: JPEG, PNG, WebP, GIF, AVIF; else tags.id"
AFTER = "0: all images; -1: public images; -2 to -7: JPEG, PNG, WebP, GIF, AVIF, HEIC; else tags.id"


def upgrade() -> None:
    # A lock that neither readers nor writers wait for.
    op.alter_column("tag_bitmaps", "tag_id", comment=AFTER, existing_comment=BEFORE)


def downgrade() -> None:
    # The previous version does not update them.
    op.execute("DELETE FROM tag_bitmaps WHERE tag_id = -7")
    op.alter_column("tag_bitmaps", "tag_id", comment=BEFORE, existing_comment=AFTER)
