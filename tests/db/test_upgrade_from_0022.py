"""The upgrade of a version 1.0.0 database: its schema (revision 0022) is renamed to that of the baseline."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from alembic import command

from app.core.settings import Settings
from app.db.schema.schema_upgrade import MigrationRefused, alembic_config, upgrade
from tests.support.paths import ROOT

pytestmark = pytest.mark.integration

SCHEMA_0022 = Path(__file__).with_name("schema_0022.sql").read_text()
# The tables that have a new name, by the old one.
NEW_NAMES = {
    "doomed_objects": "orphaned_objects",
    "image_chunks": "bitmap_chunks",
    "image_numbers": "bitmap_ordinals",
    "sessions": "user_sessions",
    "social_sign_ins": "oauth_flows",
    "unmapped_images": "bitmap_index_queue",
}
# At least one row in each table; the triggers add those of the counts and queues.
ROWS = """
INSERT INTO cache_state (epoch, server) VALUES (7, 'run');
INSERT INTO users (id, email) VALUES ('00000000-0000-4000-8000-00000000000a', 'Ada@example.com');
INSERT INTO sessions (id, user_id, refresh_digest, previous_digest, expires_at, address, network)
SELECT gen_random_uuid(), id, 'new', 'old', now() + interval '1 day', '192.0.2.1', '192.0.2.1' FROM users;
INSERT INTO api_keys (id, user_id, name, key_digest, scopes)
SELECT gen_random_uuid(), id, 'k', 'd', '{read}' FROM users;
INSERT INTO invitations (id, code_digest, created_by, expires_at) SELECT gen_random_uuid(), 'd', id, now() FROM users;
INSERT INTO mailed_links (token_digest, user_id, purpose, email, password_digest, expires_at)
SELECT 'd', id, 'password-reset', email, 'p', now() FROM users;
INSERT INTO social_identities (issuer, subject, provider, user_id) SELECT 'i', 's', 'github', id FROM users;
INSERT INTO social_sign_ins (state_digest, browser_digest, provider, nonce, code_verifier, session_id, expires_at)
SELECT 's', 'b', 'github', 'n', 'v', id, now() FROM sessions;
INSERT INTO images (id, name, storage_key, content_type, size, width, height, sha256, visibility, uploaded_by)
SELECT gen_random_uuid(), v || '.png', 'originals/' || v, 'image/png', 10, 2, 3, sha256('a'), v,
    '00000000-0000-4000-8000-00000000000a'
FROM unnest(ARRAY['public', 'private']) AS v;
INSERT INTO tags (name) VALUES ('cat'), ('animal');
INSERT INTO tags (name, alias_of, images) VALUES ('kitty', 1, 3);
INSERT INTO tag_implications (tag, implies) VALUES (1, 2);
INSERT INTO tagged (tag, image, by_hand) SELECT t.id, i.id, t.id = 1 FROM tags t, images i WHERE t.id < 3;
INSERT INTO tag_bitmaps (tag, chunk, bits) VALUES (0, 0, repeat('0', 8191)::bit(8191) || B'1');
INSERT INTO image_numbers (number, image) SELECT 8191, id FROM images WHERE name = 'public.png';
INSERT INTO image_chunks (chunk, oldest, newest) VALUES (0, now() - interval '1 day', now());
INSERT INTO doomed_objects (storage_key, uploaded_by, reserved_bytes)
VALUES ('originals/doomed', '00000000-0000-4000-8000-00000000000a', 5);
INSERT INTO idempotency_keys (id, fingerprint, answer, image, expires_at)
SELECT 'k', 'f', '{}', id, now() FROM images WHERE name = 'public.png';
INSERT INTO storage_usage (user_id, images, bytes) VALUES ('00000000-0000-4000-8000-00000000000a', 4, 40);
"""
CATALOG = """
SELECT format('column %I.%I %s %s %s %s %s', table_name, column_name, data_type, is_nullable, column_default,
    generation_expression, collation_name) FROM information_schema.columns WHERE table_schema = 'public'
UNION ALL SELECT format('comment %s.%s %s', objoid::regclass, objsubid, description)
FROM pg_description WHERE classoid = 'pg_class'::regclass
AND objoid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)
UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
UNION ALL SELECT format('constraint %s %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid))
FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT pg_get_functiondef(oid) FROM pg_proc p WHERE pronamespace = 'public'::regnamespace
AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
UNION ALL SELECT format('sequence %I %s', sequencename, data_type) FROM pg_sequences WHERE schemaname = 'public'
"""
TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
NewSettings = Callable[[], Awaitable[Settings]]
HISTORY = ("tag_events", "tag_events_default", "tag_operations", "tag_operation_links", "orphaned_tag_histories")


@pytest.fixture
def new_database(
    fresh_database_url: Callable[[], Awaitable[str]], make_settings: Callable[..., Settings]
) -> NewSettings:
    """Create an empty database and return settings for it."""

    async def create() -> Settings:
        return make_settings(database_url=await fresh_database_url())

    return create


@pytest.fixture
async def old(new_database: NewSettings) -> Settings:
    """The settings of a database with the schema and rows of version 1.0.0."""
    settings = await new_database()
    async with connect(settings) as connection:
        await connection.execute(SCHEMA_0022 + ROWS)
    return settings


@asynccontextmanager
async def connect(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(settings.direct_database_url)
    try:
        yield connection
    finally:
        await connection.close()


async def fetch_catalog(connection: asyncpg.Connection) -> set[str]:
    return {row[0] for row in await connection.fetch(CATALOG)}


# Of `images`, by later revisions.
NEW_COLUMNS = frozenset({"taken_at", "taken_at_offset", "camera"})


async def fetch_rows(connection: asyncpg.Connection) -> dict[str, list[tuple[Any, ...]]]:
    """Return the values of each table's rows, by the new name of the table."""
    found = {}
    for (table,) in await connection.fetch(TABLES):
        rows = await connection.fetch(f"SELECT * FROM {table} ORDER BY 1, 2")  # noqa: S608 - of the catalog
        found[NEW_NAMES.get(table, table)] = [
            tuple(value for column, value in row.items() if column not in NEW_COLUMNS) for row in rows
        ]
    return found


async def fetch_revision(connection: asyncpg.Connection) -> str:
    return str(await connection.fetchval("SELECT version_num FROM alembic_version"))


async def migrate(settings: Settings) -> tuple[int | None, str]:
    """Run the command; return its exit code and its error output."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app", "migrate"),
        env={**os.environ, "DATABASE_URL": settings.direct_database_url},
        cwd=ROOT,
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await process.communicate()
    return process.returncode, errors.decode()


async def test_the_upgraded_schema_is_that_of_a_new_database(old: Settings, new_database: NewSettings) -> None:
    new = await new_database()
    await asyncio.to_thread(upgrade, new.sqlalchemy_direct_url)
    await asyncio.to_thread(upgrade, old.sqlalchemy_direct_url)
    async with connect(old) as upgraded, connect(new) as created:
        assert await fetch_catalog(upgraded) == await fetch_catalog(created)
        assert await fetch_revision(upgraded) == await fetch_revision(created)
    await asyncio.to_thread(command.check, alembic_config(old.sqlalchemy_direct_url))


async def test_the_upgrade_keeps_every_row(old: Settings) -> None:
    async with connect(old) as connection:
        before = await fetch_rows(connection)
        assert all(before.values()), [table for table, rows in before.items() if not rows]
    await asyncio.to_thread(upgrade, old.sqlalchemy_direct_url)
    async with connect(old) as connection:
        after = await fetch_rows(connection)
        state = await connection.fetchrow(
            "SELECT singleton, namespace, epoch, redis_run_id, usable_from FROM cache_state"
        )
    [(singleton, namespace, epoch, run_id, usable_from)] = before.pop("cache_state")
    # Cached responses of the old version are in an earlier epoch.
    assert tuple(state) == (singleton, namespace, epoch + 1, run_id, usable_from)
    del after["cache_state"]
    # Tables of later revisions.
    later = ("uploads", "upload_parts", "trashed_images", "trashed_tags", "image_hashes", "audit_events", *HISTORY)
    assert [after.pop(table) for table in later] == [[]] * len(later)
    assert after == before


async def test_the_upgraded_triggers_keep_tags_counts_and_queues(old: Settings) -> None:
    await asyncio.to_thread(upgrade, old.sqlalchemy_direct_url)
    async with connect(old) as connection:
        await connection.execute("DELETE FROM bitmap_index_queue; DELETE FROM tag_count_deltas")
        await connection.execute("DELETE FROM tagged WHERE tag = 2")
        assert await connection.fetchval("SELECT bool_and(tag_ids = '{1}') FROM images")
        assert await connection.fetchval("SELECT count(*) FROM bitmap_index_queue") == 2
        assert [tuple(row) for row in await connection.fetch("SELECT tag_id, delta FROM tag_count_deltas")] == [(2, -1)]
        await connection.execute("DELETE FROM images WHERE visibility = 'public'")
        newest = "SELECT image_count, byte_count FROM storage_usage_deltas ORDER BY id DESC LIMIT 1"
        assert tuple(await connection.fetchrow(newest)) == (-1, -10)


async def test_many_workers_upgrade_once(old: Settings) -> None:
    assert [code for code, _ in await asyncio.gather(*(migrate(old) for _ in range(3)))] == [0, 0, 0]
    async with connect(old) as connection:
        # Each upgrade increments the epoch.
        assert await connection.fetchval("SELECT epoch FROM cache_state") == 8


async def test_the_upgrade_is_rolled_back_while_a_table_is_in_use(old: Settings) -> None:
    async with connect(old) as holder, connect(old) as reader:
        await holder.execute("BEGIN; SELECT 1 FROM doomed_objects")
        upgrading = asyncio.create_task(asyncio.to_thread(upgrade, old.sqlalchemy_direct_url))
        waits = 0
        async with asyncio.timeout(60):
            while waits < 2:
                await _until_waiting(holder, is_waiting=True)
                # Waits for the lock time-out at most.
                assert await reader.fetchval("SELECT count(*) FROM images") == 2
                await _until_waiting(holder, is_waiting=False)
                waits += 1
        assert await fetch_revision(holder) == "0022"
        assert not upgrading.done()
        await holder.execute("COMMIT")
        await upgrading
        assert await fetch_revision(holder) == "0032"


async def _until_waiting(connection: asyncpg.Connection, *, is_waiting: bool) -> None:
    waiting = "SELECT EXISTS (SELECT FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND NOT granted)"
    while await connection.fetchval(waiting) != is_waiting:
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("revision", ["0021", "0001", "from-the-future"])
async def test_an_unknown_revision_is_refused_and_not_changed(old: Settings, revision: str) -> None:
    async with connect(old) as connection:
        await connection.execute("UPDATE alembic_version SET version_num = $1", revision)
        before = await fetch_catalog(connection)
        code, errors = await migrate(old)
        assert code == 1
        assert errors.startswith(
            f"Not migrated: The database has revision {revision}, which this version does not know."
        )
        assert "of version 1.0.0 first" in errors
        assert "Traceback" not in errors
        assert await fetch_catalog(connection) == before
        assert await fetch_revision(connection) == revision


async def test_other_commands_of_alembic_refuse_the_old_schema(old: Settings) -> None:
    with pytest.raises(MigrationRefused, match="Run `python -m app migrate`"):
        await asyncio.to_thread(command.check, alembic_config(old.sqlalchemy_direct_url))
    async with connect(old) as connection:
        assert await fetch_revision(connection) == "0022"
