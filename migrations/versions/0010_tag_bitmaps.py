"""What the bitmaps of the common tags need: the list of the images that are not in them, numbers, times."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

NOTE_IMAGES = """
CREATE FUNCTION note_images() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO unmapped_images (image) SELECT id FROM after;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO unmapped_images (image) SELECT id FROM before;
    ELSE
        INSERT INTO unmapped_images (image)
        SELECT id FROM after JOIN before USING (id)
        WHERE (after.tag_ids, after.visibility) IS DISTINCT FROM (before.tag_ids, before.visibility);
    END IF;
    RETURN NULL;
END $$
"""
# name: (event, transition tables)
TRIGGERS = {
    "images_inserted_unmapped": ("INSERT", "NEW TABLE AS after"),
    "images_deleted_unmapped": ("DELETE", "OLD TABLE AS before"),
    "images_updated_unmapped": ("UPDATE", "OLD TABLE AS before NEW TABLE AS after"),
}


def upgrade() -> None:
    op.create_table(
        "image_numbers",
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("image", sa.Uuid(), nullable=False, unique=True),
    )
    op.create_table(
        "image_chunks",
        sa.Column("chunk", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("oldest", sa.DateTime(timezone=True), nullable=False),
        sa.Column("newest", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "unmapped_images",
        sa.Column("id", sa.BigInteger(), primary_key=True),
        sa.Column("image", sa.Uuid(), nullable=False),
    )
    op.execute(NOTE_IMAGES)
    for name, (event, tables) in TRIGGERS.items():
        op.execute(
            f"CREATE TRIGGER {name} AFTER {event} ON images REFERENCING {tables} "
            "FOR EACH STATEMENT EXECUTE FUNCTION note_images()"
        )


def downgrade() -> None:
    for name in TRIGGERS:
        op.execute(f"DROP TRIGGER {name} ON images")
    op.execute("DROP FUNCTION note_images()")
    for table in ("unmapped_images", "image_chunks", "image_numbers"):
        op.drop_table(table)
