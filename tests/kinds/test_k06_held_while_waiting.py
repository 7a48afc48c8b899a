"""K6: nothing shared is held while a request waits, and no product of number, size and duration is unbounded."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack

import asyncpg
import httpx
import pytest

from app.core.settings import Settings
from tests.support.accounts import Account
from tests.support.photos import png
from tests.support.raw_http import raw_connection
from tests.support.server import running_service

pytestmark = pytest.mark.integration

# The usual wait is a few milliseconds. A wait for a connection would be 5 s, on any machine.
READ_SECONDS = 2.5
LOCK_WAITERS = """
    SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"""


async def count_lock_waiters(sql: asyncpg.Connection) -> int:
    """Return the number of connections that wait for a lock; a transaction would see the same activity all the time."""
    await sql.execute("SELECT pg_stat_clear_snapshot()")
    return int(await sql.fetchval(LOCK_WAITERS))


async def upload(account: Account, name: str) -> str:
    response = await account.client.post("/v1/images", files={"image": (name, png())})
    return str(response.json()["id"])


async def test_k6_requests_that_wait_for_one_row_leave_connections_for_reads(
    settings: Settings, sql: asyncpg.Connection, make_account: Callable[..., Awaitable[Account]]
) -> None:
    """More requests than connections change one image that a transaction has locked, by each operation in turn."""
    owner, other = await make_account(), await make_account()
    image = await upload(owner, "locked.png")
    pool = 8
    changed = settings.model_copy(update={"database_pool_size": pool, "cache_enabled": False})
    limits = httpx.Limits(max_connections=None)
    async with (
        running_service(changed) as service,
        httpx.AsyncClient(base_url=service.url, timeout=60, headers=owner.client.headers, limits=limits) as client,
    ):
        path = f"/v1/images/{image}"
        changes: list[Callable[[int], Coroutine[None, None, httpx.Response]]] = [
            lambda n: client.post(f"{path}/tags", json={"tags": [f"tag{n}"]}),
            lambda n: client.put(f"{path}/tags", json={"tags": [f"tag{n}"]}),
            lambda n: client.patch(path, json={"name": f"{n}.png"}),
            lambda _: client.post("/v1/images/tags", json={"ids": [image], "add": ["bulk"]}),
            lambda _: client.post("/v1/images/bulk", json={"ids": [image], "action": "delete"}),
            lambda _: client.delete(path),
        ]
        transaction = sql.transaction()
        await transaction.start()
        await sql.execute("SELECT FROM images WHERE id = $1 FOR UPDATE", image)
        waiting = [asyncio.create_task(change(n)) for n in range(pool + 10) for change in changes]
        try:
            while not await count_lock_waiters(sql):
                await asyncio.sleep(0.05)
            for _ in range(10):
                started = time.monotonic()
                response = await other.client.get(f"{service.url}{path}", timeout=60)
                assert response.status_code == 200
                assert time.monotonic() - started < READ_SECONDS
        finally:
            await transaction.rollback()
        statuses = Counter([response.status_code for response in await asyncio.gather(*waiting)])
    # Refused requests may be retried; none is a 500.
    assert set(statuses) <= {200, 204, 404, 409, 422, 429, 503}


async def test_f6_an_account_makes_one_bulk_edit_at_a_time(
    settings: Settings, sql: asyncpg.Connection, make_account: Callable[..., Awaitable[Account]]
) -> None:
    editor, other = await make_account(), await make_account()
    image = await upload(editor, "mine.png")
    theirs = await upload(other, "theirs.png")
    changed = settings.model_copy(update={"database_pool_size": 8})
    limits = httpx.Limits(max_connections=None)
    async with (
        running_service(changed) as service,
        httpx.AsyncClient(base_url=service.url, timeout=60, headers=editor.client.headers, limits=limits) as client,
    ):
        transaction = sql.transaction()
        await transaction.start()
        await sql.execute("SELECT FROM images WHERE id = $1 FOR UPDATE", image)
        body = {"ids": [image], "add": ["bulk"]}
        edits = [asyncio.create_task(client.post("/v1/images/tags", json=body)) for _ in range(30)]
        try:
            async with asyncio.timeout(30):
                while not await count_lock_waiters(sql):
                    await asyncio.sleep(0.05)
            await asyncio.sleep(0.5)
            lock_waiters = await count_lock_waiters(sql)
            body = {"ids": [theirs], "add": ["bulk"]}
            response = await other.client.post(f"{service.url}/v1/images/tags", json=body, timeout=60)
        finally:
            await transaction.rollback()
        statuses = Counter([edit.status_code for edit in await asyncio.gather(*edits)])
    assert lock_waiters == 1
    assert response.status_code == 200
    # 1 runs, 10 wait, the others are refused at once.
    assert set(statuses) == {200, 429}
    assert statuses[200] == 11


async def test_k6_bodies_that_arrive_slowly_have_a_memory_budget(settings: Settings, user: Account) -> None:
    size, address = 900_000, "192.0.2.1"
    changed = settings.model_copy(update={"trusted_proxies": ["127.0.0.1"]})
    async with running_service(changed) as service, AsyncExitStack() as stack:
        slow = [await stack.enter_async_context(raw_connection(service.url)) for _ in range(20)]
        for connection in slow:
            head = {"Content-Type": "application/json", "Content-Length": str(size + 1), "X-Forwarded-For": address}
            await connection.begin("POST", "/v1/users", head)
            with contextlib.suppress(ConnectionError):
                await connection.send(b" " * size)
        responses = [asyncio.create_task(connection.read_response()) for connection in slow]
        done, _ = await asyncio.wait(responses, return_when=asyncio.FIRST_COMPLETED, timeout=30)
        refused = done.pop().result()
        assert (refused.status, refused.json()["type"]) == (429, "/problems/too-many-requests")
        assert int(refused.headers["retry-after"]) >= 1
        # Another address is served meanwhile.
        body = {"names": ["a tag"]}
        headers = {"X-Forwarded-For": "198.51.100.1"}
        response = await user.client.post(f"{service.url}/v1/tags", json=body, headers=headers, timeout=60)
        assert response.status_code == 201
        for task in responses:
            task.cancel()
        await asyncio.gather(*responses, return_exceptions=True)
    assert sum(not task.cancelled() and task.exception() is None for task in responses) <= 4
