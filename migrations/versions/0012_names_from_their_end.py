"""An index of the names from their end, by the week: of a glob it may tell more than how names begin."""

from sqlalchemy import text

from app.db.online_ddl import analyze, create_index, drop_index

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

WEEK = "date_bin('7 days', (created_at AT TIME ZONE 'UTC'), '2001-01-01 00:00:00'::timestamp)"
INDEX = "ix_images_week_reversed_name"


def upgrade() -> None:
    create_index(INDEX, "images", [text(WEEK), text("reverse(name)")], postgresql_include=["name", "created_at", "id"])
    # Until then the planner takes any end of a name for a rare one.
    analyze("images")


def downgrade() -> None:
    drop_index(INDEX, "images")
