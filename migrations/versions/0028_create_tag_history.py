"""Create the history of the tags of images: tables, functions and triggers."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

# The arrays have an element for each change: the row of `tagged` before and after it, null for no row. The names are
# read after the change, so a tag that was just deleted has the name of its last event.
APPEND_TAG_TRANSITIONS = """
CREATE FUNCTION append_tag_transitions(images uuid[], tag_ids integer[], was_explicit boolean[], is_explicit boolean[])
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    origin jsonb;
BEGIN
    IF images IS NULL THEN
        RETURN;
    END IF;
    origin := coalesce(nullif(current_setting('imts.tag_change', true), ''), '{}')::jsonb;
    INSERT INTO tag_events (
        image, tag_id, tag, change, was_explicit, is_explicit, source, batch, actor, credential, request_id
    )
    SELECT c.image, c.tag_id,
        coalesce(t.name, (SELECT e.tag FROM tag_events e WHERE e.tag_id = c.tag_id ORDER BY e.id DESC LIMIT 1), ''),
        CASE WHEN c.is_new OR (c.is_new IS NOT NULL AND c.was IS NULL) THEN 1 ELSE -1 END, c.was, c.is_new,
        CASE WHEN c.was OR c.is_new THEN coalesce(origin ->> 'source', 'hand') ELSE 'implied' END,
        (origin ->> 'batch')::uuid, (origin ->> 'actor')::uuid, (origin ->> 'credential')::uuid,
        origin ->> 'request_id'
    FROM unnest(images, tag_ids, was_explicit, is_explicit) AS c(image, tag_id, was, is_new)
    LEFT JOIN tags t ON t.id = c.tag_id;
END $$
"""
# A row that disappears with its image writes no event, nor does a restored image: it continues its history.
APPEND_TAG_EVENTS = """
CREATE FUNCTION append_tag_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('imts.tag_history', true) = 'off' THEN
        RETURN NULL;
    END IF;
    IF TG_OP = 'INSERT' THEN
        PERFORM append_tag_transitions(
            array_agg(image), array_agg(tag), array_agg(NULL::boolean), array_agg(is_explicit)
        ) FROM new_rows;
    ELSIF TG_OP = 'DELETE' THEN
        PERFORM append_tag_transitions(
            array_agg(image), array_agg(tag), array_agg(is_explicit), array_agg(NULL::boolean)
        ) FROM old_rows WHERE EXISTS (SELECT FROM images WHERE id = image);
    ELSE
        PERFORM append_tag_transitions(
            array_agg(image), array_agg(tag), array_agg(o.is_explicit), array_agg(n.is_explicit)
        ) FROM old_rows o FULL JOIN new_rows n USING (image, tag) WHERE o.is_explicit IS DISTINCT FROM n.is_explicit;
    END IF;
    RETURN NULL;
END $$
"""
# A merge reaches the images in the trash, too.
MERGE_TRASHED_TAGS = """
CREATE OR REPLACE FUNCTION merge_trashed_tags() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM append_tag_transitions(
        array_agg(o.image), array_agg(NEW.alias_of), array_agg(t.is_explicit), array_agg(o.is_explicit)
    )
    FROM trashed_tags o LEFT JOIN trashed_tags t ON t.image = o.image AND t.tag = NEW.alias_of
    WHERE o.tag = NEW.id AND (t.is_explicit IS NULL OR (o.is_explicit AND NOT t.is_explicit));
    PERFORM append_tag_transitions(
        array_agg(image), array_agg(tag), array_agg(is_explicit), array_agg(NULL::boolean)
    ) FROM trashed_tags WHERE tag = NEW.id;
    INSERT INTO trashed_tags (image, tag, created_at, is_explicit)
    SELECT image, NEW.alias_of, created_at, is_explicit FROM trashed_tags WHERE tag = NEW.id ORDER BY image
    ON CONFLICT (image, tag) DO UPDATE SET is_explicit = true WHERE excluded.is_explicit;
    DELETE FROM trashed_tags WHERE tag = NEW.id;
    RETURN NULL;
END $$
"""
MERGE_TRASHED_TAGS_BEFORE = """
CREATE OR REPLACE FUNCTION merge_trashed_tags() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO trashed_tags (image, tag, created_at, is_explicit)
    SELECT image, NEW.alias_of, created_at, is_explicit FROM trashed_tags WHERE tag = NEW.id ORDER BY image
    ON CONFLICT (image, tag) DO UPDATE SET is_explicit = true WHERE excluded.is_explicit;
    DELETE FROM trashed_tags WHERE tag = NEW.id;
    RETURN NULL;
END $$
"""
# The image may be in the trash: the clean-up decides.
ENQUEUE_TAG_HISTORY = """
CREATE FUNCTION enqueue_tag_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO orphaned_tag_histories (image) SELECT id FROM old_rows ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$
"""
TRIGGERS = {
    "tagged_events_insert": ("INSERT", "tagged", "NEW TABLE AS new_rows", "append_tag_events"),
    "tagged_events_update": ("UPDATE", "tagged", "OLD TABLE AS old_rows NEW TABLE AS new_rows", "append_tag_events"),
    "tagged_events_delete": ("DELETE", "tagged", "OLD TABLE AS old_rows", "append_tag_events"),
    "images_tag_history_delete": ("DELETE", "images", "OLD TABLE AS old_rows", "enqueue_tag_history"),
}


def upgrade() -> None:
    create_events()
    create_operations()
    for function in (APPEND_TAG_TRANSITIONS, APPEND_TAG_EVENTS, MERGE_TRASHED_TAGS, ENQUEUE_TAG_HISTORY):
        op.execute(function)
    for name, (event, table, transition_tables, function) in TRIGGERS.items():
        op.execute(
            f"CREATE TRIGGER {name} AFTER {event} ON {table} REFERENCING {transition_tables} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {function}()"
        )


def downgrade() -> None:
    for name, (_event, table, _transition_tables, _function) in TRIGGERS.items():
        op.execute(f"DROP TRIGGER {name} ON {table}")
    op.execute(MERGE_TRASHED_TAGS_BEFORE)
    for function in ("append_tag_events", "append_tag_transitions", "enqueue_tag_history"):
        op.execute(f"DROP FUNCTION {function}")
    for table in ("tag_events", "tag_operations", "orphaned_tag_histories"):
        op.drop_table(table)


def create_events() -> None:
    op.create_table(
        "tag_events",
        sa.Column("id", sa.BigInteger(), primary_key=True, autoincrement=True),
        sa.Column(
            "at", sa.DateTime(timezone=True), primary_key=True, server_default=sa.func.clock_timestamp(), nullable=False
        ),
        sa.Column("actor", sa.Uuid()),
        sa.Column("credential", sa.Uuid()),
        sa.Column("request_id", sa.String()),
        sa.Column("image", sa.Uuid(), nullable=False),
        sa.Column("tag_id", sa.Integer(), nullable=False),
        sa.Column("tag", sa.String(), nullable=False),
        sa.Column("change", sa.SmallInteger(), nullable=False),
        sa.Column("was_explicit", sa.Boolean()),
        sa.Column("is_explicit", sa.Boolean()),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("batch", sa.Uuid()),
        sa.CheckConstraint("was_explicit IS DISTINCT FROM is_explicit", name="transition"),
        postgresql_partition_by="RANGE (at)",
    )
    op.create_index("ix_tag_events_image_id", "tag_events", ["image", "id"])
    op.create_index("ix_tag_events_tag_id_id", "tag_events", ["tag_id", "id"])
    op.create_index(
        "ix_tag_events_actor_id", "tag_events", ["actor", "id"], postgresql_where=sa.text("actor IS NOT NULL")
    )
    op.create_index(
        "ix_tag_events_batch_id", "tag_events", ["batch", "id"], postgresql_where=sa.text("batch IS NOT NULL")
    )
    # A change of a tag never fails for want of a partition. The service creates those of the months.
    op.execute("CREATE TABLE tag_events_default PARTITION OF tag_events DEFAULT")


def create_operations() -> None:
    op.create_table(
        "tag_operations",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("actor", sa.Uuid()),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("tag_id", sa.Integer(), nullable=False),
        sa.Column("tag", sa.String(), nullable=False),
        sa.Column("target_id", sa.Integer()),
        sa.Column("new_name", sa.String()),
        sa.Column("is_complete", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    op.create_index(
        "ix_tag_operations_actor_created_at",
        "tag_operations",
        ["actor", "created_at"],
        postgresql_where=sa.text("actor IS NOT NULL"),
    )
    op.create_index(
        "ix_tag_operations_incomplete", "tag_operations", ["tag_id"], postgresql_where=sa.text("NOT is_complete")
    )
    op.create_table(
        "orphaned_tag_histories",
        sa.Column("image", sa.Uuid(), primary_key=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
    )
