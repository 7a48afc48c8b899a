import asyncio
import os
import sys
from collections.abc import Awaitable, Callable

import asyncpg
import pytest
from alembic import command

from app.core.settings import Settings
from app.db.schema.schema_upgrade import alembic_config, downgrade, upgrade
from tests.support.paths import ROOT

pytestmark = pytest.mark.integration

# The given columns of the four core tables: name, type, nullable.
GIVEN = {
    "users": {
        ("id", "uuid", "NO"),
        ("email", "character varying", "NO"),
        ("password", "character varying", "YES"),
        ("token", "character varying", "YES"),
        ("expire_at", "timestamp with time zone", "YES"),
        ("created_at", "timestamp with time zone", "NO"),
    },
    "images": {
        ("id", "uuid", "NO"),
        ("name", "character varying", "NO"),
        ("storage_key", "character varying", "NO"),
        ("created_at", "timestamp with time zone", "NO"),
        ("uploaded_by", "uuid", "YES"),
    },
    "tags": {("id", "integer", "NO"), ("name", "character varying", "NO")},
    "tagged": {("tag", "integer", "NO"), ("image", "uuid", "NO"), ("created_at", "timestamp with time zone", "NO")},
}
CONSTRAINTS = {
    ("users", "PRIMARY KEY (id)"),
    ("users", "UNIQUE (email)"),
    ("users", "UNIQUE (token)"),
    ("images", "PRIMARY KEY (id)"),
    ("images", "UNIQUE (name)"),
    ("images", "FOREIGN KEY (uploaded_by) REFERENCES users(id) ON DELETE SET NULL"),
    ("tags", "PRIMARY KEY (id)"),
    ("tags", "UNIQUE (name)"),
    ("tagged", "PRIMARY KEY (tag, image)"),
    ("tagged", "UNIQUE (image, tag)"),
}


@pytest.fixture
async def empty(fresh_database_url: Callable[[], Awaitable[str]], make_settings: Callable[..., Settings]) -> Settings:
    return make_settings(database_url=await fresh_database_url())


async def objects(url: str) -> set[str]:
    connection = await asyncpg.connect(url)
    rows = await connection.fetch(
        "SELECT 'table ' || tablename AS name FROM pg_tables WHERE schemaname = 'public' "
        "UNION SELECT 'function ' || proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace "
        "WHERE nspname = 'public' AND NOT EXISTS "
        "(SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')"
        "UNION SELECT 'type ' || typname FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace "
        "WHERE nspname = 'public' AND typtype = 'e'"
    )
    await connection.close()
    return {row["name"] for row in rows}


async def test_up_down_up_and_the_models_describe_the_result(empty: Settings) -> None:
    url = empty.direct_database_url
    await asyncio.to_thread(upgrade, empty.sqlalchemy_direct_url)
    first = await objects(url)
    await asyncio.to_thread(downgrade, empty.sqlalchemy_direct_url)
    assert await objects(url) == {"table alembic_version"}
    await asyncio.to_thread(upgrade, empty.sqlalchemy_direct_url)
    assert await objects(url) == first
    await asyncio.to_thread(command.check, alembic_config(empty.sqlalchemy_direct_url))


async def test_migrating_from_many_workers_at_once_is_one_migration(empty: Settings) -> None:
    url = empty.direct_database_url
    command_line = [sys.executable, "-m", "app", "migrate"]
    environment = {**os.environ, "DATABASE_URL": url}
    workers = [await asyncio.create_subprocess_exec(*command_line, env=environment, cwd=ROOT) for _ in range(3)]
    assert [await worker.wait() for worker in workers] == [0, 0, 0]
    assert "table images" in await objects(url)


async def test_given_tables_have_their_columns_and_constraints(sql: asyncpg.Connection) -> None:
    for table, columns in GIVEN.items():
        rows = await sql.fetch(
            "SELECT column_name, data_type, is_nullable FROM information_schema.columns WHERE table_name = $1", table
        )
        assert columns <= {tuple(row) for row in rows}
    rows = await sql.fetch(
        "SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint WHERE contype IN ('p', 'u', 'f')"
    )
    assert {tuple(row) for row in rows} >= CONSTRAINTS
    defaults = "SELECT column_default FROM information_schema.columns WHERE table_name = $1 AND column_name = $2"
    for table in ("users", "images", "tagged"):
        assert await sql.fetchval(defaults, table, "created_at") == "now()"
    assert await sql.fetchval(defaults, "tags", "id") == "nextval('tags_id_seq'::regclass)"


async def test_tag_ids_follow_every_change_of_tagged(sql: asyncpg.Connection) -> None:
    await sql.execute(
        "INSERT INTO images (id, name, storage_key, content_type, size, width, height, sha256) "
        "SELECT gen_random_uuid(), n, n, 'image/png', 1, 1, 1, sha256('') FROM unnest(ARRAY['a', 'b']) n"
    )
    await sql.execute("INSERT INTO tags (name) VALUES ('x'), ('y'), ('z')")
    statements = [
        "INSERT INTO tagged (tag, image) SELECT t.id, i.id FROM tags t, images i WHERE t.name < 'z'",
        "UPDATE tagged SET tag = 3 WHERE tag = 2",
        "DELETE FROM tagged WHERE tag = 1 AND image = (SELECT id FROM images WHERE name = 'b')",
        "UPDATE tagged SET image = (SELECT id FROM images WHERE name = 'b') WHERE tag = 1",
        "DELETE FROM tags WHERE name = 'z'",
        "DELETE FROM images WHERE name = 'b'",
    ]
    for statement in statements:
        await sql.execute(statement)
        wrong = await sql.fetch(
            "SELECT name, tag_ids FROM images i "
            "WHERE tag_ids <> ARRAY(SELECT tag FROM tagged WHERE image = i.id ORDER BY tag)"
        )
        assert not wrong, statement
