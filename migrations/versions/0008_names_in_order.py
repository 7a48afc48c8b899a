"""An index of the names tells when an image was uploaded: the newest that fit a glob are found in it alone."""

from app.db.online_ddl import create_index, drop_index

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

INDEX = "ix_images_name_created_at_id"


def upgrade() -> None:
    create_index(INDEX, "images", ["name"], postgresql_include=["created_at", "id"])


def downgrade() -> None:
    drop_index(INDEX, "images")
