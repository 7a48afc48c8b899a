"""PostgreSQL is down, restarted or frozen while an upload runs."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any

import asyncpg
import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.settings import Settings
from app.db.database import Database
from app.db.engine import SILENCE_SECONDS
from tests.faults.conftest import Acknowledged, Behind, wait_until_well
from tests.images.files import noise_png
from tests.support.accounts import Account
from tests.support.photos import png
from tests.support.raw_http import bearer, file_part, raw_connection
from tests.support.server import RunningService, running_service

# Milliseconds and seconds; without them it is never, two hours and more.
IDLE_TIMEOUTS = {"idle_in_transaction_session_timeout": "60000", "tcp_keepalives_idle": "60"}
Check = Callable[[], Awaitable[None]]


@pytest.mark.parametrize(
    ("fault", "when"),
    [
        ("refuse", "from the start"),
        ("refuse", "in the midst"),
        ("black_hole", "from the start"),
        ("black_hole", "in the midst"),
    ],
)
async def test_an_upload_without_its_database_is_503(
    faulty: RunningService,
    behind: Behind,
    user: Account,
    acknowledged: Acknowledged,
    invariants: Check,
    fault: str,
    when: str,
) -> None:
    body = noise_png(600_000)
    async with raw_connection(faulty.url) as connection:
        if when == "from the start":
            behind.postgres.set(**{fault: True})
        await connection.begin("POST", "/v1/images", bearer(user, Transfer_Encoding="chunked"))
        await connection.send(chunk(file_part("a.png") + body[:300_000]))
        if when == "in the midst":
            # Nothing shows from outside that the service waits for more.
            await asyncio.sleep(0.3)
            behind.postgres.set(**{fault: True})
        await connection.send(chunk(body[300_000:] + b"\r\n--b--\r\n") + b"0\r\n\r\n")
        response = await connection.read_response()
    assert (response.status, response.json()["type"]) == (503, "/problems/database-unavailable")
    behind.postgres.set()
    behind.postgres.cut()
    async with httpx.AsyncClient(base_url=faulty.url) as client:
        await wait_until_well(client)
    again = await user.client.post(f"{faulty.url}/v1/images", files={"image": ("a.png", body)}, timeout=30)
    assert again.status_code == 201, again.text
    acknowledged.note(again, body)
    await invariants()


async def test_a_restart_between_two_uploads_is_not_noticed(
    faulty: RunningService, behind: Behind, user: Account, acknowledged: Acknowledged, invariants: Check
) -> None:
    for name in ("1.png", "2.png"):
        body = png()
        response = await user.client.post(f"{faulty.url}/v1/images", files={"image": (name, body)})
        assert response.status_code == 201, response.text
        acknowledged.note(response, body)
        behind.postgres.cut()
        await asyncio.sleep(0)
    await invariants()


async def test_the_probe_continues_after_an_invalid_response(
    faulty: RunningService, behind: Behind, service: RunningService
) -> None:
    """The driver's own surprise ended the asking, and with it every chance of being found well again."""
    assert service
    async with httpx.AsyncClient(base_url=faulty.url) as client, asyncio.timeout(60):
        await wait_until_well(client)
        behind.postgres.set(black_hole=True)
        assert (await client.get("/v1/images?q=frozen", timeout=30)).status_code == 503
        while "imts_postgres_breaker_open 1.0\n" not in (await client.get("/metrics")).text:
            await asyncio.sleep(0.05)
        behind.postgres.set(garbled=True)
        behind.postgres.cut()
        while behind.postgres.garbled < 2:
            await asyncio.sleep(0.02)
        behind.postgres.set()
        behind.postgres.cut()
        await wait_until_well(client)
        assert (await client.get("/v1/images")).status_code == 200
        behind.postgres.set(garbled=True)
        behind.postgres.cut()
        # No earlier request had these URLs: the cache may be in use again.
        paths = ("/v1/images?q=nonsense", "/v1/tags?prefix=nonsense")
        assert {(await client.get(path, timeout=30)).status_code for path in paths} == {503}


async def test_a_slow_statement_does_not_open_the_breaker(settings: Settings, sql: asyncpg.Connection) -> None:
    """Longer than what a frozen server gets, in each kind of block."""
    assert sql
    database = Database(settings)

    async def works(block: AbstractAsyncContextManager[AsyncSession]) -> bool:
        async with block as session:
            return bool(await session.scalar(text("SELECT 1 FROM pg_sleep(2.3)")))

    blocks = (database.unit_of_work(), database.read_session(), database.search_session())
    assert await asyncio.gather(*(works(block) for block in blocks)) == [True, True, True]
    await database.close()


async def test_a_busy_process_does_not_open_the_breaker(settings: Settings, sql: asyncpg.Connection) -> None:
    """The response of the server has arrived, but the event loop reads it late."""
    assert sql
    database = Database(settings)

    async def keep_busy() -> None:
        while True:
            time.sleep(0.4)  # noqa: ASYNC251 - what is tested
            await asyncio.sleep(0)

    async with database.read_session() as session:
        await session.execute(text("SELECT 1"))
        busy = asyncio.create_task(keep_busy())
        assert await session.scalar(text("SELECT 1 FROM pg_sleep(2)")) == 1
        busy.cancel()
    await database.close()


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux has it")
async def test_the_kernel_ends_a_dropped_connection(settings: Settings) -> None:
    """Checks the socket options only: the effect needs a network that drops packets."""
    database = Database(settings)
    for engine in (database.engine, database.search_engine):
        async with engine.connect() as connection:
            driver: Any = (await connection.get_raw_connection()).driver_connection
            opened = driver._transport.get_extra_info("socket")
            assert opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == SILENCE_SECONDS * 1000
            assert opened.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            if settings.database_pooler:
                # The pooler has its own connections to the server.
                continue
            # The server drops a worker that vanished silently, and releases its locks.
            rows = await driver.fetch("SELECT name, setting FROM pg_settings WHERE name = ANY($1)", list(IDLE_TIMEOUTS))
            assert {row["name"]: row["setting"] for row in rows} == IDLE_TIMEOUTS
    await database.close()


async def test_slow_clients_hold_no_connection(behind: Behind, user: Account) -> None:
    narrow = behind.settings.model_copy(update={"database_pool_size": 2, "database_max_overflow": 0})
    body = png()
    async with running_service(narrow) as service, AsyncExitStack() as stack:
        slow = []
        for number in range(12):
            connection = await stack.enter_async_context(raw_connection(service.url))
            await connection.begin("POST", "/v1/images", bearer(user, Transfer_Encoding="chunked"))
            await connection.send(chunk(file_part(f"{number}.png") + body[:40]))
            slow.append(connection)
            # With a connection held by each upload, the third of these would find none.
            assert (await user.client.get(f"{service.url}/v1/images")).status_code == 200
        for connection in slow:
            await connection.send(chunk(body[40:] + b"\r\n--b--\r\n") + b"0\r\n\r\n")
            assert (await connection.read_response()).status == 201


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"
