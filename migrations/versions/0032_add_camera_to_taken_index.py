"""Add the camera to the index of the times at which images were taken."""

import sqlalchemy as sa

from app.db.schema.online_ddl import create_index, drop_index

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

WEEK_OF_CREATION = sa.text("date_bin('7 days', (created_at AT TIME ZONE 'UTC'), '2001-01-01 00:00:00'::timestamp)")
IS_PHOTO = sa.text("taken_at IS NOT NULL")


def upgrade() -> None:
    create_index(
        "ix_images_week_taken_at_camera",
        "images",
        [WEEK_OF_CREATION, "taken_at"],
        postgresql_include=["camera", "created_at", "id"],
        postgresql_where=IS_PHOTO,
    )
    drop_index("ix_images_week_taken_at", "images")


def downgrade() -> None:
    create_index(
        "ix_images_week_taken_at",
        "images",
        [WEEK_OF_CREATION, "taken_at"],
        postgresql_include=["created_at", "id"],
        postgresql_where=IS_PHOTO,
    )
    drop_index("ix_images_week_taken_at_camera", "images")
