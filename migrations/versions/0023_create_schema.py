"""Create the schema: tables, indexes, functions and triggers."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0023"
down_revision = None
branch_labels = None
depends_on = None

EXTENSIONS = ("intarray", "pg_trgm")
# In the order of their foreign keys.
TABLES = (
    *("users", "user_sessions", "api_keys", "invitations", "mailed_links", "social_identities", "oauth_flows"),
    *("images", "tags", "tagged", "tag_implications", "tag_count_deltas", "private_tags"),
    *("orphaned_objects", "idempotency_keys", "storage_usage", "storage_usage_deltas", "cache_state"),
    *("tag_bitmaps", "bitmap_ordinals", "bitmap_chunks", "bitmap_index_queue"),
)
TAG_BITMAPS_TAG_ID = "0: all images; -1: public images; -2 to -6: JPEG, PNG, WebP, GIF, AVIF; else tags.id"
WEEK_OF_CREATION = sa.text("date_bin('7 days', (created_at AT TIME ZONE 'UTC'), '2001-01-01 00:00:00'::timestamp)")

# Locking and reading are two statements: under READ COMMITTED, the second one sees the rows that another writer of the
# same image committed while this one waited for the lock.
REFRESH_TAG_IDS = """
CREATE FUNCTION refresh_tag_ids(image_ids uuid[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM images WHERE id = ANY(image_ids) ORDER BY id FOR NO KEY UPDATE;
    UPDATE images SET tag_ids = current.ids
    FROM (
        SELECT touched.id, COALESCE(array_agg(t.tag ORDER BY t.tag) FILTER (WHERE t.tag IS NOT NULL), '{}') AS ids
        FROM unnest(image_ids) AS touched(id) LEFT JOIN tagged t ON t.image = touched.id
        GROUP BY touched.id
    ) AS current
    WHERE images.id = current.id AND images.tag_ids IS DISTINCT FROM current.ids;
END $$
"""
REFRESH_TAG_IDS_OF_CHANGED_ROWS = """
CREATE FUNCTION refresh_tag_ids_of_changed_rows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM refresh_tag_ids(ARRAY(SELECT DISTINCT image FROM changed_rows));
    RETURN NULL;
END $$
"""
REFRESH_TAG_IDS_OF_UPDATED_ROWS = """
CREATE FUNCTION refresh_tag_ids_of_updated_rows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM refresh_tag_ids(ARRAY(SELECT image FROM old_rows UNION SELECT image FROM new_rows));
    RETURN NULL;
END $$
"""
# A tag's count depends only on the tags and visibility of images, so a trigger on `images` covers every writer.
# It appends deltas, which a background task compacts: two writers of the same tag never update the same row.
APPEND_TAG_COUNT_DELTAS = """
CREATE FUNCTION append_tag_count_deltas() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO tag_count_deltas (tag_id, delta)
        SELECT t.id, count(*) FROM new_rows, unnest(new_rows.tag_ids) AS t(id)
        WHERE visibility = 'public' GROUP BY t.id;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO tag_count_deltas (tag_id, delta)
        SELECT t.id, -count(*) FROM old_rows, unnest(old_rows.tag_ids) AS t(id)
        WHERE visibility = 'public' GROUP BY t.id;
    ELSE
        INSERT INTO tag_count_deltas (tag_id, delta)
        SELECT changes.tag_id, sum(changes.delta)
        FROM (
            SELECT unnest(tag_ids) AS tag_id, 1 AS delta FROM new_rows WHERE visibility = 'public'
            UNION ALL
            SELECT unnest(tag_ids), -1 FROM old_rows WHERE visibility = 'public'
        ) AS changes
        GROUP BY changes.tag_id HAVING sum(changes.delta) <> 0;
    END IF;
    RETURN NULL;
END $$
"""
ENQUEUE_BITMAP_UPDATE = """
CREATE FUNCTION enqueue_bitmap_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO bitmap_index_queue (image_id) SELECT id FROM new_rows;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO bitmap_index_queue (image_id) SELECT id FROM old_rows;
    ELSE
        INSERT INTO bitmap_index_queue (image_id)
        SELECT id FROM new_rows JOIN old_rows USING (id)
        WHERE (new_rows.tag_ids, new_rows.visibility) IS DISTINCT FROM (old_rows.tag_ids, old_rows.visibility);
    END IF;
    RETURN NULL;
END $$
"""
# The nil UUID stands for images without an owner. Rows are inserted in the order of the key, so that two statements
# that insert the same rows do not deadlock.
INSERT_PRIVATE_TAGS = """
CREATE FUNCTION insert_private_tags() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO private_tags (tag_id, owner_id)
    SELECT DISTINCT t.id, coalesce(uploaded_by, '00000000-0000-0000-0000-000000000000')
    FROM new_rows, unnest(new_rows.tag_ids) AS t(id) WHERE visibility = 'private' ORDER BY 1, 2
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$
"""
# The tags of a deleted account stay private, under the nil UUID.
ANONYMIZE_PRIVATE_TAGS = """
CREATE FUNCTION anonymize_private_tags() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO private_tags (tag_id, owner_id)
    SELECT DISTINCT tag_id, CAST('00000000-0000-0000-0000-000000000000' AS uuid)
    FROM private_tags WHERE owner_id IN (SELECT id FROM old_rows) ORDER BY 1
    ON CONFLICT DO NOTHING;
    DELETE FROM private_tags WHERE owner_id IN (SELECT id FROM old_rows);
    RETURN NULL;
END $$
"""
APPEND_STORAGE_USAGE_DELTAS = """
CREATE FUNCTION append_storage_usage_deltas() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO storage_usage_deltas (user_id, image_count, byte_count)
    SELECT uploaded_by, CASE TG_OP WHEN 'INSERT' THEN count(*) ELSE -count(*) END,
        CASE TG_OP WHEN 'INSERT' THEN sum(size) ELSE -sum(size) END
    FROM changed_rows WHERE uploaded_by IS NOT NULL GROUP BY uploaded_by;
    RETURN NULL;
END $$
"""
APPEND_STORAGE_USAGE_DELTAS_OF_UPDATED_ROW = """
CREATE FUNCTION append_storage_usage_deltas_of_updated_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO storage_usage_deltas (user_id, image_count, byte_count)
    SELECT * FROM (VALUES (OLD.uploaded_by, -1, -OLD.size), (NEW.uploaded_by, 1, NEW.size)) AS change
    WHERE column1 IS NOT NULL;
    RETURN NULL;
END $$
"""
# For writers that do not know the column. Lower case is the same key for ASCII; the service computes the key itself.
FILL_EMAIL_KEY = """
CREATE FUNCTION fill_email_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.email_key IS NULL THEN
        NEW.email_key := lower(NEW.email);
    ELSIF TG_OP = 'UPDATE' THEN
        IF NEW.email_key = OLD.email_key AND lower(NEW.email) <> lower(OLD.email) THEN
            NEW.email_key := lower(NEW.email);
        END IF;
    END IF;
    RETURN NEW;
END $$
"""
FUNCTIONS = {
    "refresh_tag_ids_of_changed_rows()": REFRESH_TAG_IDS_OF_CHANGED_ROWS,
    "refresh_tag_ids_of_updated_rows()": REFRESH_TAG_IDS_OF_UPDATED_ROWS,
    "refresh_tag_ids(uuid[])": REFRESH_TAG_IDS,
    "append_tag_count_deltas()": APPEND_TAG_COUNT_DELTAS,
    "enqueue_bitmap_update()": ENQUEUE_BITMAP_UPDATE,
    "insert_private_tags()": INSERT_PRIVATE_TAGS,
    "anonymize_private_tags()": ANONYMIZE_PRIVATE_TAGS,
    "append_storage_usage_deltas()": APPEND_STORAGE_USAGE_DELTAS,
    "append_storage_usage_deltas_of_updated_row()": APPEND_STORAGE_USAGE_DELTAS_OF_UPDATED_ROW,
    "fill_email_key()": FILL_EMAIL_KEY,
}
# Trigger: (event, table, transition tables, function). Named `<table>_<subject>_<event>`.
STATEMENT_TRIGGERS = {
    "tagged_tag_ids_insert": ("INSERT", "tagged", "NEW TABLE AS changed_rows", "refresh_tag_ids_of_changed_rows"),
    "tagged_tag_ids_update": (
        *("UPDATE", "tagged", "OLD TABLE AS old_rows NEW TABLE AS new_rows", "refresh_tag_ids_of_updated_rows"),
    ),
    "tagged_tag_ids_delete": ("DELETE", "tagged", "OLD TABLE AS changed_rows", "refresh_tag_ids_of_changed_rows"),
    "images_tag_count_insert": ("INSERT", "images", "NEW TABLE AS new_rows", "append_tag_count_deltas"),
    "images_tag_count_update": (
        *("UPDATE", "images", "OLD TABLE AS old_rows NEW TABLE AS new_rows", "append_tag_count_deltas"),
    ),
    "images_tag_count_delete": ("DELETE", "images", "OLD TABLE AS old_rows", "append_tag_count_deltas"),
    "images_bitmap_insert": ("INSERT", "images", "NEW TABLE AS new_rows", "enqueue_bitmap_update"),
    "images_bitmap_update": (
        *("UPDATE", "images", "OLD TABLE AS old_rows NEW TABLE AS new_rows", "enqueue_bitmap_update"),
    ),
    "images_bitmap_delete": ("DELETE", "images", "OLD TABLE AS old_rows", "enqueue_bitmap_update"),
    "images_private_tags_insert": ("INSERT", "images", "NEW TABLE AS new_rows", "insert_private_tags"),
    "images_private_tags_update": ("UPDATE", "images", "NEW TABLE AS new_rows", "insert_private_tags"),
    "images_storage_usage_insert": ("INSERT", "images", "NEW TABLE AS changed_rows", "append_storage_usage_deltas"),
    "images_storage_usage_delete": ("DELETE", "images", "OLD TABLE AS changed_rows", "append_storage_usage_deltas"),
    "users_private_tags_delete": ("DELETE", "users", "OLD TABLE AS old_rows", "anonymize_private_tags"),
}
ROW_TRIGGERS = (
    # A trigger with transition tables cannot be limited to columns, and every change of tags updates `images`.
    (
        "CREATE TRIGGER images_storage_usage_update AFTER UPDATE OF uploaded_by, size ON images FOR EACH ROW "
        "WHEN (OLD.uploaded_by IS DISTINCT FROM NEW.uploaded_by OR OLD.size <> NEW.size) "
        "EXECUTE FUNCTION append_storage_usage_deltas_of_updated_row()"
    ),
    (
        "CREATE TRIGGER users_email_key BEFORE INSERT OR UPDATE OF email ON users "
        "FOR EACH ROW EXECUTE FUNCTION fill_email_key()"
    ),
)


def upgrade() -> None:
    for extension in EXTENSIONS:
        op.execute(f"CREATE EXTENSION IF NOT EXISTS {extension}")
    create_accounts()
    create_credentials()
    create_images()
    create_tags()
    create_uploads()
    create_cache_state()
    create_bitmap_index()
    create_triggers()


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
    for name in FUNCTIONS:
        op.execute(f"DROP FUNCTION {name}")
    for extension in EXTENSIONS:
        op.execute(f"DROP EXTENSION {extension}")


def timestamp(name: str, *, nullable: bool = False, index: bool = False) -> sa.Column[sa.DateTime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, index=index)


def now(name: str, *, index: bool = False) -> sa.Column[sa.DateTime]:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False, index=index)


def flag(name: str, default: sa.ColumnElement[bool]) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean(), server_default=default, nullable=False)


def reference(
    name: str,
    type_: sa.types.TypeEngine[object],
    target: str,
    *,
    nullable: bool = False,
    primary_key: bool = False,
    index: bool = False,
) -> sa.Column[object]:
    """A foreign key whose row is deleted with the row that it references."""
    key = sa.ForeignKey(target, ondelete="CASCADE")
    return sa.Column(name, type_, key, nullable=nullable, primary_key=primary_key, index=index)


def create_gin_index(name: str, table: str, column: str, operators: str) -> None:
    """Without `fastupdate`: a search would have to read the list of pending entries."""
    op.create_index(
        name,
        table,
        [column],
        postgresql_using="gin",
        postgresql_ops={column: operators},
        postgresql_with={"fastupdate": "off"},
    )


def create_accounts() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("email", sa.String(), nullable=False, unique=True),
        sa.Column("email_key", sa.String()),
        sa.Column("password", sa.String()),
        sa.Column("token", sa.String(), unique=True),
        timestamp("expire_at", nullable=True),
        now("created_at"),
        flag("is_admin", sa.false()),
        flag("disabled", sa.false()),
        sa.Column("quota_bytes", sa.BigInteger()),
        flag("email_verified", sa.false()),
    )
    op.create_index("ix_users_created_at_id", "users", ["created_at", "id"])
    op.create_index("ix_users_email_key", "users", ["email_key"], unique=True)


def create_credentials() -> None:
    op.create_table(
        "user_sessions",
        sa.Column("id", sa.Uuid(), primary_key=True),
        reference("user_id", sa.Uuid(), "users.id", index=True),
        sa.Column("refresh_digest", sa.LargeBinary(), nullable=False, unique=True),
        sa.Column("previous_refresh_digest", sa.LargeBinary()),
        now("created_at"),
        now("rotated_at"),
        timestamp("expires_at", index=True),
        sa.Column("address", sa.String()),
        sa.Column("network", sa.String()),
        sa.Column("user_agent", sa.String()),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Uuid(), primary_key=True),
        reference("user_id", sa.Uuid(), "users.id", index=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("key_digest", sa.LargeBinary(), nullable=False, unique=True),
        sa.Column("scopes", postgresql.ARRAY(sa.String()), nullable=False),
        now("created_at"),
        timestamp("expires_at", nullable=True),
        timestamp("last_used_at", nullable=True),
        sa.CheckConstraint("cardinality(scopes) > 0 AND scopes <@ '{read,write,admin}'::varchar[]", name="scopes"),
    )
    op.create_table(
        "invitations",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("code_digest", sa.LargeBinary(), nullable=False, unique=True),
        sa.Column("email", sa.String()),
        reference("created_by", sa.Uuid(), "users.id", index=True),
        now("created_at"),
        timestamp("expires_at", index=True),
    )
    op.create_table(
        "mailed_links",
        sa.Column("token_digest", sa.LargeBinary(), primary_key=True),
        reference("user_id", sa.Uuid(), "users.id", index=True),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("password_digest", sa.LargeBinary(), nullable=False),
        timestamp("expires_at", index=True),
        sa.CheckConstraint("purpose IN ('password-reset', 'email-verification')", name="purpose"),
    )
    op.create_table(
        "social_identities",
        sa.Column("issuer", sa.String(), primary_key=True),
        sa.Column("subject", sa.String(), primary_key=True),
        sa.Column("provider", sa.String(), nullable=False),
        reference("user_id", sa.Uuid(), "users.id", index=True),
        now("created_at"),
    )
    op.create_table(
        "oauth_flows",
        sa.Column("state_digest", sa.LargeBinary(), primary_key=True),
        sa.Column("browser_digest", sa.LargeBinary(), nullable=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("nonce", sa.String(), nullable=False),
        sa.Column("code_verifier", sa.String(), nullable=False),
        reference("session_id", sa.Uuid(), "user_sessions.id", nullable=True, index=True),
        timestamp("expires_at", index=True),
    )


def create_images() -> None:
    op.create_table(
        "images",
        sa.Column("id", sa.Uuid(), primary_key=True),
        # Byte order is the same on every server, and its indexes serve prefixes.
        sa.Column("name", sa.String(collation="C"), nullable=False, unique=True),
        sa.Column("storage_key", sa.String(), nullable=False),
        now("created_at"),
        sa.Column("uploaded_by", sa.Uuid(), sa.ForeignKey("users.id", ondelete="SET NULL")),
        sa.Column("content_type", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("visibility", sa.String(), server_default="public", nullable=False),
        sa.Column("tag_ids", postgresql.ARRAY(sa.Integer()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("pixels", sa.BigInteger(), sa.Computed("width::bigint * height", persisted=True), nullable=False),
        sa.Column("tag_count", sa.Integer(), sa.Computed("cardinality(tag_ids)", persisted=True), nullable=False),
        sa.CheckConstraint("visibility IN ('public', 'private')", name="visibility"),
        sa.CheckConstraint("octet_length(sha256) = 32", name="sha256"),
    )
    op.create_index("ix_images_storage_key", "images", ["storage_key"], unique=True)
    op.create_index("ix_images_content_type", "images", ["content_type"])
    # One index for each sort order and range filter of a search.
    op.create_index("ix_images_created_at_id", "images", ["created_at", "id"])
    op.create_index("ix_images_uploaded_by_created_at_id", "images", ["uploaded_by", "created_at", "id"])
    for column in ("sha256", "size", "width", "pixels", "tag_count"):
        op.create_index(f"ix_images_{column}_id", "images", [column, "id"])
    # Index-only scans of the most recent weeks find the newest images whose names match a glob.
    op.create_index(
        "ix_images_week_name", "images", [WEEK_OF_CREATION, "name"], postgresql_include=["created_at", "id"]
    )
    op.create_index(
        "ix_images_week_reversed_name",
        "images",
        [WEEK_OF_CREATION, sa.text("reverse(name)")],
        postgresql_include=["name", "created_at", "id"],
    )
    create_gin_index("ix_images_name_trgm", "images", "name", "gin_trgm_ops")
    create_gin_index("ix_images_tag_ids", "images", "tag_ids", "gin__int_ops")


def create_tags() -> None:
    op.create_table(
        "tags",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("name", sa.String(collation="C"), nullable=False, unique=True),
        now("created_at"),
        sa.Column("image_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        reference("alias_of", sa.Integer(), "tags.id", nullable=True),
        flag("is_listed", sa.false()),
    )
    op.create_index(
        "ix_tags_image_count_name",
        "tags",
        [sa.text("image_count DESC"), "name"],
        postgresql_where=sa.text("alias_of IS NULL"),
    )
    op.create_index("ix_tags_alias_of", "tags", ["alias_of"], postgresql_where=sa.text("alias_of IS NOT NULL"))
    create_gin_index("ix_tags_name_trgm", "tags", "name", "gin_trgm_ops")
    op.create_table(
        "tagged",
        reference("tag", sa.Integer(), "tags.id", primary_key=True),
        reference("image", sa.Uuid(), "images.id", primary_key=True),
        now("created_at"),
        flag("is_explicit", sa.true()),
        # Also the index from an image to its tags.
        sa.UniqueConstraint("image", "tag"),
    )
    op.create_table(
        "tag_implications",
        reference("tag_id", sa.Integer(), "tags.id", primary_key=True),
        reference("implied_tag_id", sa.Integer(), "tags.id", primary_key=True, index=True),
        now("created_at"),
        sa.CheckConstraint("tag_id <> implied_tag_id", name="irreflexive"),
    )
    op.create_table(
        "tag_count_deltas",
        sa.Column("id", sa.BigInteger(), primary_key=True),
        sa.Column("tag_id", sa.Integer(), nullable=False, index=True),
        sa.Column("delta", sa.Integer(), nullable=False),
    )
    op.create_table(
        "private_tags",
        sa.Column("tag_id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("owner_id", sa.Uuid(), primary_key=True, index=True),
    )


def create_uploads() -> None:
    op.create_table(
        "orphaned_objects",
        sa.Column("storage_key", sa.String(), primary_key=True),
        now("orphaned_at", index=True),
        sa.Column("uploaded_by", sa.Uuid()),
        sa.Column("reserved_bytes", sa.BigInteger()),
    )
    op.create_index(
        "ix_orphaned_objects_uploaded_by",
        "orphaned_objects",
        ["uploaded_by"],
        postgresql_where=sa.text("uploaded_by IS NOT NULL"),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("id", sa.LargeBinary(), primary_key=True),
        sa.Column("fingerprint", sa.LargeBinary()),
        sa.Column("response", sa.Text()),
        reference("image_id", sa.Uuid(), "images.id", nullable=True, index=True),
        timestamp("expires_at", index=True),
        sa.CheckConstraint("(response IS NULL) = (fingerprint IS NULL)", name="completed"),
    )
    op.create_table(
        "storage_usage",
        sa.Column("user_id", sa.Uuid(), primary_key=True),
        sa.Column("image_count", sa.BigInteger(), nullable=False),
        sa.Column("byte_count", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "storage_usage_deltas",
        sa.Column("id", sa.BigInteger(), sa.Identity(), primary_key=True),
        sa.Column("user_id", sa.Uuid(), nullable=False, index=True),
        sa.Column("image_count", sa.BigInteger(), nullable=False),
        sa.Column("byte_count", sa.BigInteger(), nullable=False),
    )


def create_cache_state() -> None:
    op.create_table(
        "cache_state",
        sa.Column("singleton", sa.Boolean(), server_default=sa.true(), primary_key=True),
        sa.Column("namespace", sa.Uuid(), server_default=sa.func.gen_random_uuid(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("redis_run_id", sa.String()),
        now("usable_from"),
        sa.CheckConstraint("singleton", name="singleton"),
    )
    op.execute("INSERT INTO cache_state DEFAULT VALUES")


def create_bitmap_index() -> None:
    op.create_table(
        "tag_bitmaps",
        sa.Column("tag_id", sa.Integer(), primary_key=True, autoincrement=False, comment=TAG_BITMAPS_TAG_ID),
        sa.Column("chunk", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("bits", postgresql.BIT(8192), nullable=False),
    )
    op.create_index("ix_tag_bitmaps_chunk_tag_id", "tag_bitmaps", ["chunk", "tag_id"])
    op.create_table(
        "bitmap_ordinals",
        sa.Column("ordinal", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("image_id", sa.Uuid(), nullable=False, unique=True),
    )
    op.create_table(
        "bitmap_chunks",
        sa.Column("chunk", sa.Integer(), primary_key=True, autoincrement=False),
        timestamp("min_created_at"),
        timestamp("max_created_at"),
    )
    op.create_table(
        "bitmap_index_queue",
        sa.Column("id", sa.BigInteger(), primary_key=True),
        sa.Column("image_id", sa.Uuid(), nullable=False),
    )


def create_triggers() -> None:
    for function in FUNCTIONS.values():
        op.execute(function)
    for name, (event, table, transition_tables, function) in STATEMENT_TRIGGERS.items():
        op.execute(
            f"CREATE TRIGGER {name} AFTER {event} ON {table} REFERENCING {transition_tables} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {function}()"
        )
    for statement in ROW_TRIGGERS:
        op.execute(statement)
