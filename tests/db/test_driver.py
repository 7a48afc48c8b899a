"""Statements by the driver itself: the state of the connection after a failed one."""

import asyncio
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text

from app.core.errors import DatabaseUnavailable, QueryTimeout
from app.core.settings import Settings
from app.db.asyncpg_queries import Statement, fetch, fetch_value
from app.db.database import Database

pytestmark = pytest.mark.integration

PID = "SELECT pg_backend_pid()"
KINDS = ("search_session", "search_reader")


@pytest.fixture
def narrow(settings: Settings, sql: asyncpg.Connection) -> Settings:
    """One connection for searches, so that the next one gets what the last one left."""
    assert sql
    if settings.database_pooler:
        pytest.skip("a pooler keeps the connections of the server")
    return settings.model_copy(update={"database_search_pool_size": 1})


@pytest.mark.parametrize("kind", KINDS)
async def test_an_interrupted_statement_closes_its_connection(
    narrow: Settings, sql: asyncpg.Connection, kind: str
) -> None:
    database = Database(narrow)
    search = getattr(database, kind)
    pids: list[int] = []

    async def sleep() -> None:
        async with search() as session:
            pids.append(await fetch_value(session, PID, ()))
            await fetch(session, "SELECT pg_sleep($1)", (600.0,))

    sleeping = asyncio.create_task(sleep())
    async with asyncio.timeout(20):
        while not await sql.fetchval("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"):
            await asyncio.sleep(0.02)
    sleeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sleeping
    async with search() as session:
        assert await fetch_value(session, PID, ()) != pids[0]
    async with asyncio.timeout(20):
        while await sql.fetchval("SELECT count(*) FROM pg_stat_activity WHERE pid = $1", pids[0]):
            await asyncio.sleep(0.02)
    await database.close()


@pytest.mark.parametrize("kind", KINDS)
async def test_the_server_s_errors_are_mapped_as_those_of_sessions_are(
    narrow: Settings, sql: asyncpg.Connection, kind: str
) -> None:
    database = Database(narrow.model_copy(update={"search_timeout_ms": 200}))
    search = getattr(database, kind)

    async def run(statement: str, *values: Any) -> None:
        async with search(60) as session:
            await fetch(session, statement, values)

    with pytest.raises(QueryTimeout):
        await run("SELECT pg_sleep(60)")
    with pytest.raises(DatabaseUnavailable):
        await run("SELECT pg_terminate_backend(pg_backend_pid())")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await run("SELECT 1 / $1::int", 0)
    # A migration under way: what was prepared before it is prepared again.
    await sql.execute("CREATE TABLE changing (one int)")
    await run("SELECT * FROM changing")
    await sql.execute("ALTER TABLE changing ALTER one TYPE text")
    await run("SELECT * FROM changing")
    await sql.execute("DROP TABLE changing")
    await database.close()


async def test_a_session_that_released_its_connection_opens_another(narrow: Settings) -> None:
    database = Database(narrow)
    async with database.search_session() as session:
        first = await fetch_value(session, PID, ())
        await session.rollback()
        async with database.search_session() as other:
            assert await fetch_value(other, PID, ()) == first
            await fetch(other, "SET application_name = 'other'", ())
            await (await other.connection()).invalidate()
        assert await fetch_value(session, PID, ()) != first
    await database.close()


async def test_a_connection_without_a_session_is_taken_by_the_first_statement_and_returned(narrow: Settings) -> None:
    database = Database(narrow)
    async with database.search_reader() as reader:
        assert database.connections_in_use() == 0
        first = await fetch_value(reader, PID, ())
        assert database.connections_in_use() == 1
        await reader.rollback()
        async with database.search_reader() as other:
            assert await fetch_value(other, PID, ()) == first
        assert await fetch_value(reader, PID, ()) == first
    assert database.connections_in_use() == 0
    await database.close()


async def test_each_statement_counts_as_a_response_of_the_server(narrow: Settings) -> None:
    database = Database(narrow)
    breaker = database._breaker
    for open_session in (database.unit_of_work, database.read_session, database.search_session):
        async with open_session() as session:
            before = breaker._last_sign
            await session.execute(text("SELECT 1"))
            assert breaker._last_sign > before, open_session.__name__
    for open_search in (database.search_session, database.search_reader):
        async with open_search() as session:
            before = breaker._last_sign
            await fetch(session, "SELECT 1", ())
            assert breaker._last_sign > before
    async with database.read_connection() as connection:
        before = breaker._last_sign
        await connection.fetch_one(Statement(text("SELECT 1")), {})
        assert breaker._last_sign > before
    await database.close()
