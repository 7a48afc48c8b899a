"""Create the perceptual hashes of images."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

# After a move to the trash, or back, the other table has the image.
REMOVE_IMAGE_HASHES = """
CREATE FUNCTION remove_image_hashes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM image_hashes h USING removed r WHERE h.image_id = r.id
    AND NOT EXISTS (SELECT FROM images i WHERE i.id = r.id)
    AND NOT EXISTS (SELECT FROM trashed_images t WHERE t.id = r.id);
    RETURN NULL;
END $$
"""


def upgrade() -> None:
    op.create_table(
        "image_hashes",
        sa.Column("image_id", sa.Uuid(), primary_key=True),
        sa.Column("version", sa.SmallInteger(), nullable=False),
        sa.Column("perceptual_hash", postgresql.BIT(256), nullable=False),
        sa.Column("quality", sa.SmallInteger(), nullable=False),
        sa.Column("chunks", postgresql.ARRAY(sa.Integer())),
        sa.Column("pixel_version", sa.SmallInteger()),
        sa.Column("pixel_sha256", sa.LargeBinary()),
        sa.CheckConstraint("(pixel_version IS NULL) = (pixel_sha256 IS NULL)", name="pixels"),
    )
    op.create_index(
        "ix_image_hashes_chunks",
        "image_hashes",
        ["chunks"],
        postgresql_using="gin",
        postgresql_ops={"chunks": "gin__int_ops"},
        postgresql_with={"fastupdate": "off"},
        postgresql_where=sa.text("chunks IS NOT NULL"),
    )
    op.create_index(
        "ix_image_hashes_pixel_sha256",
        "image_hashes",
        ["pixel_sha256"],
        postgresql_where=sa.text("pixel_sha256 IS NOT NULL"),
    )
    op.execute(REMOVE_IMAGE_HASHES)
    for table in ("images", "trashed_images"):
        op.execute(
            f"CREATE TRIGGER {table}_image_hashes_delete AFTER DELETE ON {table} "
            "REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION remove_image_hashes()"
        )


def downgrade() -> None:
    for table in ("images", "trashed_images"):
        op.execute(f"DROP TRIGGER {table}_image_hashes_delete ON {table}")
    op.execute("DROP FUNCTION remove_image_hashes()")
    op.drop_table("image_hashes")
