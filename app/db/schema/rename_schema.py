"""Renames the schema of revision 0022, the last one of the previous migrations, to that of the baseline.

It changes names only: no row is rewritten, so the duration does not depend on the number of images.
"""

from alembic import op

TABLES = {
    "bitmap_chunks": "image_chunks",
    "bitmap_index_queue": "unmapped_images",
    "bitmap_ordinals": "image_numbers",
    "oauth_flows": "social_sign_ins",
    "orphaned_objects": "doomed_objects",
    "user_sessions": "sessions",
}
# The tables of most requests, under their old names.
LOCKED_TABLES = ("images", "tagged", "tags", "users", "sessions", "cache_state")
# New name of the table: {new name of the column: old name}.
COLUMNS = {
    "bitmap_chunks": {"max_created_at": "newest", "min_created_at": "oldest"},
    "bitmap_index_queue": {"image_id": "image"},
    "bitmap_ordinals": {"image_id": "image", "ordinal": "number"},
    "cache_state": {"namespace": "name", "redis_run_id": "server", "singleton": "sole", "usable_from": "open_at"},
    "idempotency_keys": {"image_id": "image", "response": "answer"},
    "orphaned_objects": {"orphaned_at": "doomed_at"},
    "private_tags": {"owner_id": "owner", "tag_id": "tag"},
    "storage_usage": {"byte_count": "bytes", "image_count": "images"},
    "storage_usage_deltas": {"byte_count": "bytes", "image_count": "images"},
    "tag_bitmaps": {"tag_id": "tag"},
    "tag_count_deltas": {"tag_id": "tag"},
    "tag_implications": {"implied_tag_id": "implies", "tag_id": "tag"},
    "tagged": {"is_explicit": "by_hand"},
    "tags": {"image_count": "images"},
    "user_sessions": {"previous_refresh_digest": "previous_digest"},
}
# Primary keys, unique and foreign keys, checks. A constraint's index takes the constraint's name.
CONSTRAINTS = {
    "bitmap_chunks": {"pk_bitmap_chunks": "pk_image_chunks"},
    "bitmap_index_queue": {"pk_bitmap_index_queue": "pk_unmapped_images"},
    "bitmap_ordinals": {
        "pk_bitmap_ordinals": "pk_image_numbers",
        "uq_bitmap_ordinals_image_id": "uq_image_numbers_image",
    },
    "cache_state": {"ck_cache_state_singleton": "ck_cache_state_sole"},
    "idempotency_keys": {
        "ck_idempotency_keys_completed": "ck_idempotency_keys_answered",
        "fk_idempotency_keys_image_id_images": "fk_idempotency_keys_image_images",
    },
    "oauth_flows": {
        "fk_oauth_flows_session_id_user_sessions": "fk_social_sign_ins_session_id_sessions",
        "pk_oauth_flows": "pk_social_sign_ins",
    },
    "orphaned_objects": {"pk_orphaned_objects": "pk_doomed_objects"},
    "tag_implications": {
        "fk_tag_implications_implied_tag_id_tags": "fk_tag_implications_implies_tags",
        "fk_tag_implications_tag_id_tags": "fk_tag_implications_tag_tags",
    },
    "user_sessions": {
        "fk_user_sessions_user_id_users": "fk_sessions_user_id_users",
        "pk_user_sessions": "pk_sessions",
        "uq_user_sessions_refresh_digest": "uq_sessions_refresh_digest",
    },
}
INDEXES = {
    "ix_idempotency_keys_image_id": "ix_idempotency_keys_image",
    "ix_oauth_flows_expires_at": "ix_social_sign_ins_expires_at",
    "ix_oauth_flows_session_id": "ix_social_sign_ins_session_id",
    "ix_orphaned_objects_orphaned_at": "ix_doomed_objects_doomed_at",
    "ix_orphaned_objects_uploaded_by": "ix_doomed_objects_uploaded_by",
    "ix_private_tags_owner_id": "ix_private_tags_owner",
    "ix_tag_bitmaps_chunk_tag_id": "ix_tag_bitmaps_chunk_tag",
    "ix_tag_count_deltas_tag_id": "ix_tag_count_deltas_tag",
    "ix_tag_implications_implied_tag_id": "ix_tag_implications_implies",
    "ix_tags_image_count_name": "ix_tags_images_name",
    "ix_user_sessions_expires_at": "ix_sessions_expires_at",
    "ix_user_sessions_user_id": "ix_sessions_user_id",
}
SEQUENCES = {"bitmap_index_queue_id_seq": "unmapped_images_id_seq"}
# PostgreSQL 18 names NOT NULL constraints after the table and the column; older versions have none.
NOT_NULL_CONSTRAINTS = """
DO $$
DECLARE
    found record;
BEGIN
    FOR found IN
        SELECT conrelid::regclass AS owner, conname, format('%s_%s_not_null', relname, attname) AS expected
        FROM pg_constraint JOIN pg_class c ON c.oid = conrelid
        JOIN pg_attribute a ON a.attrelid = conrelid AND a.attnum = conkey[1]
        WHERE contype = 'n' AND relkind = 'r' AND relnamespace = current_schema()::regnamespace
    LOOP
        IF found.conname <> left(found.expected, 63) THEN
            EXECUTE format('ALTER TABLE %s RENAME CONSTRAINT %I TO %I', found.owner, found.conname, found.expected);
        END IF;
    END LOOP;
END $$
"""
COLUMN_COMMENTS = {
    "tag_bitmaps.tag_id": "0: all images; -1: public images; -2 to -6: JPEG, PNG, WebP, GIF, AVIF; else tags.id",
}
OLD_TRIGGERS = {
    "tagged": ("tagged_inserted", "tagged_deleted", "tagged_updated"),
    "images": (
        *("images_inserted", "images_deleted", "images_updated"),
        *("images_inserted_unmapped", "images_deleted_unmapped", "images_updated_unmapped"),
        *("images_inserted_private", "images_updated_private"),
        *("images_inserted_usage", "images_deleted_usage", "images_moved_usage"),
    ),
    "users": ("users_deleted_private", "users_email_key"),
}
OLD_FUNCTIONS = (
    *("tagged_changed()", "tagged_updated()", "refresh_tag_ids(uuid[])", "count_tags()", "note_images()"),
    *("note_private_tags()", "disown_private_tags()", "note_storage_usage()", "move_storage_usage()"),
    "fill_email_key()",
)


def rename_schema() -> None:
    """Rename the tables, columns, constraints, indexes and sequences, and drop the old functions and triggers."""
    # First, so that no request waits behind a half-finished rename that waits for one of these.
    op.execute(f"LOCK TABLE {', '.join(LOCKED_TABLES)} IN ACCESS EXCLUSIVE MODE")
    drop_old_triggers()
    rename()
    # The service must not read responses that the previous version cached.
    op.execute("UPDATE cache_state SET epoch = epoch + 1")


def drop_old_triggers() -> None:
    for table, names in OLD_TRIGGERS.items():
        for name in names:
            op.execute(f"DROP TRIGGER {name} ON {table}")
    for function in OLD_FUNCTIONS:
        op.execute(f"DROP FUNCTION {function}")


def rename() -> None:
    for new, old in TABLES.items():
        op.execute(f"ALTER TABLE {old} RENAME TO {new}")
    for table, columns in COLUMNS.items():
        for new, old in columns.items():
            op.execute(f"ALTER TABLE {table} RENAME COLUMN {old} TO {new}")
    for table, constraints in CONSTRAINTS.items():
        for new, old in constraints.items():
            op.execute(f"ALTER TABLE {table} RENAME CONSTRAINT {old} TO {new}")
    for new, old in INDEXES.items():
        op.execute(f"ALTER INDEX {old} RENAME TO {new}")
    for new, old in SEQUENCES.items():
        op.execute(f"ALTER SEQUENCE {old} RENAME TO {new}")
    op.execute(NOT_NULL_CONSTRAINTS)
    for column, comment in COLUMN_COMMENTS.items():
        op.execute(f"COMMENT ON COLUMN {column} IS '{comment}'")
