"""The four tables of the design, sessions, doomed objects, and the shadow of `tagged` in `images.tag_ids`."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Locking first and reading in a second statement matters: under READ COMMITTED the second one sees what the other
# writer of the same image committed while we waited for it.
REFRESH_TAG_IDS = """
CREATE FUNCTION refresh_tag_ids(changed uuid[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM images WHERE id = ANY(changed) ORDER BY id FOR NO KEY UPDATE;
    UPDATE images SET tag_ids = current.ids
    FROM (
        SELECT touched.id, COALESCE(array_agg(t.tag ORDER BY t.tag) FILTER (WHERE t.tag IS NOT NULL), '{}') AS ids
        FROM unnest(changed) AS touched(id) LEFT JOIN tagged t ON t.image = touched.id
        GROUP BY touched.id
    ) AS current
    WHERE images.id = current.id AND images.tag_ids IS DISTINCT FROM current.ids;
END $$
"""
TAGGED_CHANGED = """
CREATE FUNCTION tagged_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM refresh_tag_ids(ARRAY(SELECT DISTINCT image FROM changed));
    RETURN NULL;
END $$
"""
TAGGED_UPDATED = """
CREATE FUNCTION tagged_updated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM refresh_tag_ids(ARRAY(SELECT image FROM before UNION SELECT image FROM after));
    RETURN NULL;
END $$
"""
# name: (event, transition tables, function)
TRIGGERS = {
    "tagged_inserted": ("INSERT", "NEW TABLE AS changed", "tagged_changed"),
    "tagged_deleted": ("DELETE", "OLD TABLE AS changed", "tagged_changed"),
    "tagged_updated": ("UPDATE", "OLD TABLE AS before NEW TABLE AS after", "tagged_updated"),
}


def upgrade() -> None:
    create_accounts()
    create_images()
    create_tags()
    for statement in (REFRESH_TAG_IDS, TAGGED_CHANGED, TAGGED_UPDATED):
        op.execute(statement)
    for name, (event, tables, function) in TRIGGERS.items():
        op.execute(
            f"CREATE TRIGGER {name} AFTER {event} ON tagged REFERENCING {tables} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {function}()"
        )


def downgrade() -> None:
    for table in ("tagged", "tags", "doomed_objects", "images", "sessions", "users"):
        op.drop_table(table)
    for function in ("tagged_updated()", "tagged_changed()", "refresh_tag_ids(uuid[])"):
        op.execute(f"DROP FUNCTION {function}")


def created_at(name: str = "created_at") -> sa.Column[sa.DateTime]:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False)


def create_accounts() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("password", sa.String()),
        sa.Column("token", sa.String()),
        sa.Column("expire_at", sa.DateTime(timezone=True)),
        created_at(),
        sa.Column("is_admin", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("email", name="uq_users_email"),
        sa.UniqueConstraint("token", name="uq_users_token"),
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("refresh_digest", sa.LargeBinary(), nullable=False),
        created_at(),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
        sa.UniqueConstraint("refresh_digest", name="uq_sessions_refresh_digest"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_sessions_user_id_users", ondelete="CASCADE"),
    )
    op.create_index("ix_sessions_user_id", "sessions", ["user_id"])


def create_images() -> None:
    op.create_table(
        "images",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("storage_key", sa.String(), nullable=False),
        created_at(),
        sa.Column("uploaded_by", sa.Uuid()),
        sa.Column("content_type", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("visibility", sa.String(), server_default="public", nullable=False),
        sa.Column("tag_ids", postgresql.ARRAY(sa.Integer()), server_default=sa.text("'{}'"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_images"),
        sa.UniqueConstraint("name", name="uq_images_name"),
        sa.ForeignKeyConstraint(["uploaded_by"], ["users.id"], name="fk_images_uploaded_by_users", ondelete="SET NULL"),
        sa.CheckConstraint("visibility IN ('public', 'private')", name=op.f("ck_images_visibility")),
        sa.CheckConstraint("octet_length(sha256) = 32", name=op.f("ck_images_sha256")),
    )
    op.create_index("ix_images_created_at_id", "images", ["created_at", "id"])
    op.create_index("ix_images_uploaded_by", "images", ["uploaded_by"])
    op.create_index("ix_images_sha256", "images", ["sha256"])
    op.create_index("ix_images_tag_ids", "images", ["tag_ids"], postgresql_using="gin")
    op.create_table(
        "doomed_objects",
        sa.Column("storage_key", sa.String(), nullable=False),
        created_at("doomed_at"),
        sa.PrimaryKeyConstraint("storage_key", name="pk_doomed_objects"),
    )
    op.create_index("ix_doomed_objects_doomed_at", "doomed_objects", ["doomed_at"])


def create_tags() -> None:
    op.create_table(
        "tags",
        sa.Column("id", sa.Integer(), nullable=False, autoincrement=True),
        sa.Column("name", sa.String(), nullable=False),
        created_at(),
        sa.PrimaryKeyConstraint("id", name="pk_tags"),
        sa.UniqueConstraint("name", name="uq_tags_name"),
    )
    op.create_table(
        "tagged",
        sa.Column("tag", sa.Integer(), nullable=False),
        sa.Column("image", sa.Uuid(), nullable=False),
        created_at(),
        sa.PrimaryKeyConstraint("tag", "image", name="pk_tagged"),
        sa.UniqueConstraint("image", "tag", name="uq_tagged_image_tag"),
        sa.ForeignKeyConstraint(["tag"], ["tags.id"], name="fk_tagged_tag_tags", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["image"], ["images.id"], name="fk_tagged_image_images", ondelete="CASCADE"),
    )
