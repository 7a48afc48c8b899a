"""The index of the names begins with the week: the newest that fit a glob are found without reading all that fit."""

from sqlalchemy import text

from app.db.online_ddl import create_index, drop_index

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

WEEK = "date_bin('7 days', (created_at AT TIME ZONE 'UTC'), '2001-01-01 00:00:00'::timestamp)"
BY_NAME, BY_WEEK = "ix_images_name_created_at_id", "ix_images_week_name"


def upgrade() -> None:
    create_index(BY_WEEK, "images", [text(WEEK), "name"], postgresql_include=["created_at", "id"])
    drop_index(BY_NAME, "images")


def downgrade() -> None:
    create_index(BY_NAME, "images", ["name"], postgresql_include=["created_at", "id"])
    drop_index(BY_WEEK, "images")
