"""What each account has stored, kept by triggers; what its uploads in progress have reserved."""

import sqlalchemy as sa
from alembic import op

from app.db.online_ddl import create_index, drop_index

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

NOTE_USAGE = """
CREATE FUNCTION note_storage_usage() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO storage_usage_deltas (user_id, images, bytes)
    SELECT uploaded_by, CASE TG_OP WHEN 'INSERT' THEN count(*) ELSE -count(*) END,
        CASE TG_OP WHEN 'INSERT' THEN sum(size) ELSE -sum(size) END
    FROM changed WHERE uploaded_by IS NOT NULL GROUP BY uploaded_by;
    RETURN NULL;
END $$
"""
MOVE_USAGE = """
CREATE FUNCTION move_storage_usage() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO storage_usage_deltas (user_id, images, bytes)
    SELECT * FROM (VALUES (OLD.uploaded_by, -1, -OLD.size), (NEW.uploaded_by, 1, NEW.size)) AS moved
    WHERE column1 IS NOT NULL;
    RETURN NULL;
END $$
"""
STATEMENT_TRIGGERS = {
    "images_inserted_usage": "INSERT ON images REFERENCING NEW TABLE AS changed",
    "images_deleted_usage": "DELETE ON images REFERENCING OLD TABLE AS changed",
}


def upgrade() -> None:
    op.create_table(
        "storage_usage",
        sa.Column("user_id", sa.Uuid(), primary_key=True),
        sa.Column("images", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "storage_usage_deltas",
        sa.Column("id", sa.BigInteger(), sa.Identity(), primary_key=True),
        sa.Column("user_id", sa.Uuid(), nullable=False, index=True),
        sa.Column("images", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
    )
    op.add_column("doomed_objects", sa.Column("uploaded_by", sa.Uuid()))
    op.add_column("doomed_objects", sa.Column("reserved_bytes", sa.BigInteger()))
    op.execute(NOTE_USAGE)
    op.execute(MOVE_USAGE)
    for name, event in STATEMENT_TRIGGERS.items():
        op.execute(f"CREATE TRIGGER {name} AFTER {event} FOR EACH STATEMENT EXECUTE FUNCTION note_storage_usage()")
    # For each row: a trigger with transition tables cannot be limited to columns, and tagging updates images all day.
    op.execute(
        "CREATE TRIGGER images_moved_usage AFTER UPDATE OF uploaded_by, size ON images FOR EACH ROW "
        "WHEN (OLD.uploaded_by IS DISTINCT FROM NEW.uploaded_by OR OLD.size <> NEW.size) "
        "EXECUTE FUNCTION move_storage_usage()"
    )
    create_index(
        "ix_doomed_objects_uploaded_by",
        "doomed_objects",
        ["uploaded_by"],
        postgresql_where=sa.text("uploaded_by IS NOT NULL"),
    )


def downgrade() -> None:
    drop_index("ix_doomed_objects_uploaded_by", "doomed_objects")
    for name in (*STATEMENT_TRIGGERS, "images_moved_usage"):
        op.execute(f"DROP TRIGGER IF EXISTS {name} ON images")
    op.execute("DROP FUNCTION IF EXISTS note_storage_usage()")
    op.execute("DROP FUNCTION IF EXISTS move_storage_usage()")
    op.drop_column("doomed_objects", "reserved_bytes")
    op.drop_column("doomed_objects", "uploaded_by")
    op.drop_table("storage_usage_deltas")
    op.drop_table("storage_usage")
