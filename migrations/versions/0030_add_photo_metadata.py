"""Add the time and the camera of photos, and the indexes of their order and filters."""

import sqlalchemy as sa
from alembic import op

from app.db.schema.online_ddl import analyze, create_index, drop_index

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

WEEK_OF_CREATION = sa.text("date_bin('7 days', (created_at AT TIME ZONE 'UTC'), '2001-01-01 00:00:00'::timestamp)")
TABLES = ("images", "trashed_images")
INDEXES = (
    "ix_images_taken_at_id",
    "ix_images_week_taken_at",
    "ix_images_camera_created_at_id",
    "ix_images_camera_trgm",
)


def upgrade() -> None:
    for table in TABLES:
        op.add_column(table, sa.Column("taken_at", sa.DateTime(timezone=False)), if_not_exists=True)
        op.add_column(table, sa.Column("taken_at_offset", sa.SmallInteger()), if_not_exists=True)
        op.add_column(table, sa.Column("camera", sa.String(collation="C")), if_not_exists=True)
    create_index("ix_images_taken_at_id", "images", ["taken_at", "id"])
    create_index(
        "ix_images_week_taken_at",
        "images",
        [WEEK_OF_CREATION, "taken_at"],
        postgresql_include=["created_at", "id"],
        postgresql_where=sa.text("taken_at IS NOT NULL"),
    )
    create_index(
        "ix_images_camera_created_at_id",
        "images",
        ["camera", "created_at", "id"],
        postgresql_where=sa.text("camera IS NOT NULL"),
    )
    create_index(
        "ix_images_camera_trgm",
        "images",
        ["camera"],
        postgresql_using="gin",
        postgresql_ops={"camera": "gin_trgm_ops"},
        postgresql_with={"fastupdate": "off"},
    )
    analyze("images")


def downgrade() -> None:
    for index in INDEXES:
        drop_index(index, "images")
    for table in TABLES:
        for column in ("camera", "taken_at_offset", "taken_at"):
            op.drop_column(table, column, if_exists=True)
