"""Search: aliases, implications, exact counts without a hot row, and one index for each order and filter."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# A count is a function of the images' tags and visibility alone, so one trigger on images keeps it, whoever writes.
# It appends what changed; a background job adds that up: writers that share a tag touch no common row.
COUNT_TAGS = """
CREATE FUNCTION count_tags() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO tag_count_deltas (tag, delta)
        SELECT t.id, count(*) FROM after, unnest(after.tag_ids) AS t(id) WHERE visibility = 'public' GROUP BY t.id;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO tag_count_deltas (tag, delta)
        SELECT t.id, -count(*) FROM before, unnest(before.tag_ids) AS t(id) WHERE visibility = 'public' GROUP BY t.id;
    ELSE
        INSERT INTO tag_count_deltas (tag, delta)
        SELECT changes.tag, sum(changes.delta)
        FROM (
            SELECT unnest(tag_ids) AS tag, 1 AS delta FROM after WHERE visibility = 'public'
            UNION ALL
            SELECT unnest(tag_ids), -1 FROM before WHERE visibility = 'public'
        ) AS changes
        GROUP BY changes.tag HAVING sum(changes.delta) <> 0;
    END IF;
    RETURN NULL;
END $$
"""
# name: (event, transition tables)
TRIGGERS = {
    "images_inserted": ("INSERT", "NEW TABLE AS after"),
    "images_deleted": ("DELETE", "OLD TABLE AS before"),
    "images_updated": ("UPDATE", "OLD TABLE AS before NEW TABLE AS after"),
}
COUNT_ALL = """
UPDATE tags SET images = counted.images
FROM (
    SELECT t.id, count(*) AS images FROM images, unnest(images.tag_ids) AS t(id) WHERE visibility = 'public' GROUP BY 1
) AS counted
WHERE tags.id = counted.id
"""
# The indexes that an order or a filter walks: name, columns.
IMAGE_INDEXES = {
    "ix_images_uploaded_by_created_at_id": ["uploaded_by", "created_at", "id"],
    "ix_images_sha256_id": ["sha256", "id"],
    "ix_images_size_id": ["size", "id"],
    "ix_images_width_id": ["width", "id"],
    "ix_images_pixels_id": ["pixels", "id"],
    "ix_images_tag_count_id": ["tag_count", "id"],
    "ix_images_content_type": ["content_type"],
}


def upgrade() -> None:
    for extension in ("intarray", "pg_trgm"):
        op.execute(f"CREATE EXTENSION IF NOT EXISTS {extension}")
    # Byte order is the same on every server, and its indexes serve prefixes.
    for table in ("images", "tags"):
        op.alter_column(table, "name", type_=sa.String(collation="C"), existing_nullable=False)
    extend_tags()
    extend_images()
    op.execute(COUNT_TAGS)
    for name, (event, tables) in TRIGGERS.items():
        op.execute(
            f"CREATE TRIGGER {name} AFTER {event} ON images REFERENCING {tables} "
            "FOR EACH STATEMENT EXECUTE FUNCTION count_tags()"
        )
    op.execute(COUNT_ALL)


def downgrade() -> None:
    for name in TRIGGERS:
        op.execute(f"DROP TRIGGER {name} ON images")
    op.execute("DROP FUNCTION count_tags()")
    op.drop_index("ix_images_tag_ids", "images")
    op.drop_index("ix_images_name_trgm", "images")
    for name in IMAGE_INDEXES:
        op.drop_index(name, "images")
    op.drop_column("images", "pixels")
    op.drop_column("images", "tag_count")
    op.create_index("ix_images_uploaded_by", "images", ["uploaded_by"])
    op.create_index("ix_images_sha256", "images", ["sha256"])
    op.drop_table("tag_count_deltas")
    op.drop_table("tag_implications")
    # What only an implication gave is no tag in the older schema.
    op.execute("DELETE FROM tagged WHERE NOT by_hand")
    op.drop_column("tagged", "by_hand")
    for name in ("ix_tags_name_trgm", "ix_tags_alias_of", "ix_tags_images_name"):
        op.drop_index(name, "tags")
    op.execute("DELETE FROM tags WHERE alias_of IS NOT NULL")
    op.drop_column("tags", "alias_of")
    op.drop_column("tags", "images")
    for table in ("images", "tags"):
        op.execute(f'ALTER TABLE {table} ALTER COLUMN name TYPE varchar COLLATE "default"')
    for extension in ("intarray", "pg_trgm"):
        op.execute(f"DROP EXTENSION {extension}")
    op.create_index("ix_images_tag_ids", "images", ["tag_ids"], postgresql_using="gin")


def extend_tags() -> None:
    op.add_column("tags", sa.Column("images", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.add_column("tags", sa.Column("alias_of", sa.Integer()))
    op.create_foreign_key("fk_tags_alias_of_tags", "tags", "tags", ["alias_of"], ["id"], ondelete="CASCADE")
    real = sa.text("alias_of IS NULL")
    op.create_index("ix_tags_images_name", "tags", [sa.text("images DESC"), "name"], postgresql_where=real)
    op.create_index("ix_tags_alias_of", "tags", ["alias_of"], postgresql_where=sa.text("alias_of IS NOT NULL"))
    trigrams = {"postgresql_using": "gin", "postgresql_ops": {"name": "gin_trgm_ops"}}
    op.create_index("ix_tags_name_trgm", "tags", ["name"], **trigrams)
    op.create_table(
        "tag_implications",
        sa.Column("tag", sa.Integer(), nullable=False),
        sa.Column("implies", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("tag", "implies", name="pk_tag_implications"),
        sa.ForeignKeyConstraint(["tag"], ["tags.id"], name="fk_tag_implications_tag_tags", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["implies"], ["tags.id"], name="fk_tag_implications_implies_tags", ondelete="CASCADE"),
        sa.CheckConstraint("tag <> implies", name=op.f("ck_tag_implications_irreflexive")),
    )
    op.create_index("ix_tag_implications_implies", "tag_implications", ["implies"])
    op.add_column("tagged", sa.Column("by_hand", sa.Boolean(), server_default=sa.true(), nullable=False))
    op.create_table(
        "tag_count_deltas",
        sa.Column("id", sa.BigInteger(), nullable=False, autoincrement=True),
        sa.Column("tag", sa.Integer(), nullable=False),
        sa.Column("delta", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_tag_count_deltas"),
    )
    op.create_index("ix_tag_count_deltas_tag", "tag_count_deltas", ["tag"])


def extend_images() -> None:
    pixels = sa.Computed("width::bigint * height", persisted=True)
    op.add_column("images", sa.Column("pixels", sa.BigInteger(), pixels, nullable=False))
    tag_count = sa.Computed("cardinality(tag_ids)", persisted=True)
    op.add_column("images", sa.Column("tag_count", sa.Integer(), tag_count, nullable=False))
    for name in ("ix_images_uploaded_by", "ix_images_sha256", "ix_images_tag_ids"):
        op.drop_index(name, "images")
    for name, columns in IMAGE_INDEXES.items():
        op.create_index(name, "images", columns)
    trigrams = {"postgresql_using": "gin", "postgresql_ops": {"name": "gin_trgm_ops"}}
    op.create_index("ix_images_name_trgm", "images", ["name"], **trigrams)
    # Without the pending list of fastupdate, which every search would have to read through while uploads run.
    op.create_index(
        "ix_images_tag_ids",
        "images",
        ["tag_ids"],
        postgresql_using="gin",
        postgresql_ops={"tag_ids": "gin__int_ops"},
        postgresql_with={"fastupdate": "off"},
    )
