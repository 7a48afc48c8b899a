"""Which accounts have private images with which tags, and which tags were created by name."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

# Images without an owner count as the nil UUID's. In the order of the key, so that two statements that add the same
# rows do not deadlock.
NOTE_PRIVATE_TAGS = """
CREATE FUNCTION note_private_tags() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO private_tags (tag, owner)
    SELECT DISTINCT t.id, coalesce(uploaded_by, '00000000-0000-0000-0000-000000000000')
    FROM after, unnest(after.tag_ids) AS t(id) WHERE visibility = 'private' ORDER BY 1, 2
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$
"""
# The tags of a deleted account stay private, and nothing tells any more whose they were.
DISOWN_PRIVATE_TAGS = """
CREATE FUNCTION disown_private_tags() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO private_tags (tag, owner)
    SELECT DISTINCT tag, CAST('00000000-0000-0000-0000-000000000000' AS uuid)
    FROM private_tags WHERE owner IN (SELECT id FROM before) ORDER BY 1
    ON CONFLICT DO NOTHING;
    DELETE FROM private_tags WHERE owner IN (SELECT id FROM before);
    RETURN NULL;
END $$
"""
TRIGGERS = {
    "images_inserted_private": "INSERT ON images REFERENCING NEW TABLE AS after",
    "images_updated_private": "UPDATE ON images REFERENCING NEW TABLE AS after",
}


def upgrade() -> None:
    op.add_column("tags", sa.Column("is_listed", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_table(
        "private_tags",
        sa.Column("tag", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("owner", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("tag", "owner", name="pk_private_tags"),
    )
    op.create_index("ix_private_tags_owner", "private_tags", ["owner"])
    op.execute(NOTE_PRIVATE_TAGS)
    op.execute(DISOWN_PRIVATE_TAGS)
    for name, event in TRIGGERS.items():
        op.execute(f"CREATE TRIGGER {name} AFTER {event} FOR EACH STATEMENT EXECUTE FUNCTION note_private_tags()")
    op.execute(
        "CREATE TRIGGER users_deleted_private AFTER DELETE ON users REFERENCING OLD TABLE AS before "
        "FOR EACH STATEMENT EXECUTE FUNCTION disown_private_tags()"
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER users_deleted_private ON users")
    for name in TRIGGERS:
        op.execute(f"DROP TRIGGER {name} ON images")
    op.execute("DROP FUNCTION disown_private_tags()")
    op.execute("DROP FUNCTION note_private_tags()")
    op.drop_table("private_tags")
    op.drop_column("tags", "is_listed")
