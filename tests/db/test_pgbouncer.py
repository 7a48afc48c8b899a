"""The service behind PgBouncer in transaction mode, where each transaction may get another server connection."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from app.core.errors import DatabaseBusy, DatabaseUnavailable, QueryTimeout
from app.core.settings import Settings
from app.db.asyncpg_queries import Statement, fetch, fetch_value
from app.db.circuit_breaker import PROBE_AFTER, PROBE_TIMEOUT
from app.db.database import Database, set_lock_timeout
from app.db.engine import LOCK_TIMEOUT, SEARCH_SETTINGS
from tests.support.accounts import Account, add_account
from tests.support.commands import run_command
from tests.support.pgbouncer import PROGRAM, running_pgbouncer
from tests.support.photos import png
from tests.support.server import RunningService, running_service
from tests.support.tcp_proxy import fault_proxy

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(PROGRAM is None, reason="PgBouncer is not installed: .ci/packages installs it"),
]
# Fewer than the tasks of each test, so that a task gets another connection for its next transaction.
CONNECTIONS = 3
PID = "SELECT pg_backend_pid()"
PARAMETERS = ("jit", "lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout", *SEARCH_SETTINGS)
SHOWN = "SELECT " + ", ".join(f"current_setting('{name}') AS {name}" for name in PARAMETERS)


@pytest.fixture(scope="module")
async def pooled(settings: Settings) -> AsyncIterator[Settings]:
    """Settings of a service behind PgBouncer."""
    with running_pgbouncer(settings.direct_database_url, CONNECTIONS) as url:
        own = {
            "database_url": SecretStr(url),
            "database_direct_url": SecretStr(settings.direct_database_url),
            "database_pooler": True,
            "search_timeout_ms": 1500,
        }
        # A copy would keep the addresses that are computed once.
        yield Settings.model_validate({**settings.model_dump(), **own})


@pytest.fixture
async def pooled_database(pooled: Settings, sql: asyncpg.Connection) -> AsyncIterator[Database]:
    """A database behind PgBouncer, whose tables are empty."""
    assert sql
    database = Database(pooled)
    yield database
    await database.close()


@pytest.fixture(scope="module")
async def pooled_service(pooled: Settings) -> AsyncIterator[RunningService]:
    """A service behind PgBouncer."""
    async with running_service(pooled) as service:
        yield service


async def test_each_transaction_has_the_settings_of_its_pool(pooled_database: Database) -> None:
    async def of_unit_of_work() -> tuple[str, ...]:
        async with pooled_database.unit_of_work() as session:
            return await current(session)

    async def of_read() -> tuple[str, ...]:
        async with pooled_database.read_session() as session:
            return await current(session)

    async def of_search() -> tuple[str, ...]:
        async with pooled_database.search_session() as session:
            return await current(session)

    async def of_search_without_sqlalchemy() -> tuple[str, ...]:
        async with pooled_database.search_session() as session:
            return tuple((await fetch(session, SHOWN, ()))[0])

    async def of_autocommit() -> tuple[str, ...]:
        async with pooled_database.autocommit_connection() as connection:
            row = await connection.fetch_one(Statement(text(SHOWN)), {})
            return tuple(row or ())

    async def current(session: Any) -> tuple[str, ...]:
        return tuple((await session.execute(text(SHOWN))).one())

    common = {"jit": "off", "lock_timeout": LOCK_TIMEOUT, "idle_in_transaction_session_timeout": "1min"}
    search = {**common, **SEARCH_SETTINGS, "statement_timeout": "1500ms"}
    for _ in range(3):
        reads = await asyncio.gather(of_unit_of_work(), of_read(), of_autocommit(), of_unit_of_work(), of_read())
        for shown in reads:
            assert dict(zip(PARAMETERS, shown, strict=True)).items() >= common.items()
            assert dict(zip(PARAMETERS, shown, strict=True))["plan_cache_mode"] == "auto"
        searches = await asyncio.gather(of_search(), of_search_without_sqlalchemy(), of_read(), of_search())
        for shown in (searches[0], searches[1], searches[3]):
            assert dict(zip(PARAMETERS, shown, strict=True)).items() >= search.items()


async def test_a_transaction_leaves_nothing_on_the_connection_of_the_server(
    pooled: Settings, pooled_database: Database, sql: asyncpg.Connection
) -> None:
    async def use(number: int) -> None:
        async with pooled_database.unit_of_work() as session:
            await session.execute(text("SELECT CAST(:number AS int)"), {"number": number})
            await set_lock_timeout(session)
        async with pooled_database.search_session() as session:
            await fetch(session, f"SELECT $1::int + {number}", (number,))

    await asyncio.gather(*(use(number) for number in range(10)))
    defaults = tuple((await sql.fetch(SHOWN))[0])
    url = pooled.database_url.get_secret_value()
    connections = [await asyncpg.connect(url, statement_cache_size=0) for _ in range(CONNECTIONS)]
    async with AsyncExitStack() as stack:
        for connection in connections:
            stack.push_async_callback(connection.close)
            await stack.enter_async_context(connection.transaction())
        # Open transactions hold all connections of the pooler.
        assert len({await connection.fetchval(PID) for connection in connections}) == CONNECTIONS
        for connection in connections:
            assert await connection.fetchval("SELECT count(*) FROM pg_prepared_statements WHERE name <> ''") == 0
            found = dict(zip(PARAMETERS, (await connection.fetch(SHOWN))[0], strict=True))
            # The driver turns jit off when it looks up a type.
            assert {**found, "jit": "on"} == {**dict(zip(PARAMETERS, defaults, strict=True)), "jit": "on"}


async def delete_held_tag(database: Database) -> None:
    async with database.unit_of_work() as session:
        await set_lock_timeout(session)
        await session.execute(text("DELETE FROM tags WHERE name = 'held'"))


async def test_limits_of_a_search_and_of_a_lock_hold(pooled_database: Database, sql: asyncpg.Connection) -> None:
    with pytest.raises(QueryTimeout):
        async with pooled_database.search_session(60) as session:
            await fetch(session, "SELECT pg_sleep(60)", ())
    await sql.execute("INSERT INTO tags (name) VALUES ('held')")
    async with sql.transaction():
        await sql.execute("SELECT FROM tags WHERE name = 'held' FOR UPDATE")
        with pytest.raises(DatabaseBusy):
            await delete_held_tag(pooled_database)


async def test_statements_outside_of_a_session_commit_and_roll_back(
    pooled_database: Database, sql: asyncpg.Connection
) -> None:
    insert = Statement(text("INSERT INTO tags (name) VALUES (:name) RETURNING id"))
    async with pooled_database.autocommit_connection() as connection:
        assert await connection.fetch_one(insert, {"name": "kept"})
        with pytest.raises(asyncpg.UniqueViolationError):
            await connection.fetch_one(insert, {"name": "kept"})
        assert await connection.fetch_one(insert, {"name": "kept too"})
    assert await sql.fetchval("SELECT array_agg(name::text ORDER BY name) FROM tags") == ["kept", "kept too"]


async def test_a_pooler_without_a_free_connection_is_no_outage(pooled_database: Database) -> None:
    """Each search holds a connection for longer than the circuit breaker waits for a server."""

    async def search() -> Any:
        async with pooled_database.search_session(20) as session:
            return await fetch_value(session, "SELECT 1 FROM pg_sleep($1)", (PROBE_AFTER / 2 + PROBE_TIMEOUT / 2,))

    assert await asyncio.gather(*(search() for _ in range(2 * CONNECTIONS))) == [1] * 2 * CONNECTIONS
    assert not pooled_database.is_open


@pytest.mark.parametrize("knows_server", [True, False])
async def test_a_server_that_does_not_respond_behind_a_pooler_that_does_is_an_outage(
    pooled: Settings, sql: asyncpg.Connection, knows_server: bool
) -> None:
    assert sql
    parts = urlsplit(pooled.direct_database_url)
    async with fault_proxy(f"{parts.hostname}:{parts.port}") as server:
        address = f"{parts.username}:{parts.password}@{server.address}"
        direct = parts._replace(netloc=address).geturl()
        with running_pgbouncer(direct, CONNECTIONS) as url:
            own = {"database_url": SecretStr(url), "database_direct_url": SecretStr(direct if knows_server else "")}
            database = Database(Settings.model_validate({**pooled.model_dump(), **own}))
            await database.ping()
            server.set(black_hole=True)
            # The driver's own limit is 10 s.
            async with asyncio.timeout(9):
                with pytest.raises(DatabaseUnavailable):
                    await database.ping()
            assert database.is_open
            await database.close()


async def test_a_migration_needs_the_address_of_the_server(pooled: Settings) -> None:
    unknown = pooled.model_copy(update={"database_direct_url": SecretStr("")})
    finished = await run_command(unknown, "migrate")
    assert (finished.code, "set DATABASE_DIRECT_URL" in finished.output) == (1, True), finished.output


async def test_many_clients_upload_tag_search_and_delete_at_once(
    pooled: Settings, pooled_service: RunningService, pooled_database: Database, sql: asyncpg.Connection
) -> None:
    account = await add_account(pooled_service.url, pooled, pooled_database, "pooled@example.com", is_admin=True)
    account.client.timeout = httpx.Timeout(60)

    async def client(number: int) -> None:
        image = await upload(account, f"{number}.png", f"shared,own_{number}")
        await require(account.client.post(f"{image}/tags", json={"tags": [f"later {number % 3}"]}), 200)
        found = await require(account.client.get("/v1/images", params={"q": f"shared own_{number}"}), 200)
        assert [one["name"] for one in found.json()["items"]] == [f"{number}.png"]
        await require(account.client.get(image), 200)
        if number % 3 == 0:
            await require(account.client.delete(image), 204)

    await asyncio.gather(*(client(number) for number in range(6)))
    page = (await account.client.get("/v1/images", params={"q": "shared", "count": "exact"})).json()
    assert page["total"] == 4, page
    assert await sql.fetchval("SELECT count(*) FROM trashed_images") == 2
    await account.client.aclose()


async def upload(account: Account, name: str, tags: str) -> str:
    files, fields = {"image": (name, png())}, {"tags": tags}
    response = await require(account.client.post("/v1/images", files=files, data=fields), 201)
    link: str = response.json()["links"]["self"]
    return link


async def require(sending: Any, status: int) -> httpx.Response:
    response: httpx.Response = await sending
    assert response.status_code == status, response.text
    return response
