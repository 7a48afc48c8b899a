"""Limits of concurrent uploads: number by account and address, and memory. A slow upload yields to waiting ones."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import httpx
import pytest

from app.core.settings import Settings
from app.storage.chunks import PART_BYTES
from tests.support.accounts import Account
from tests.support.photos import png
from tests.support.raw_http import RawConnection, bearer, file_part, raw_connection
from tests.support.server import running_service

pytestmark = pytest.mark.integration

SLOW_BYTES = 64 * 1024


async def begin_slow(stack: AsyncExitStack, url: str, account: Account, name: str, address: str) -> RawConnection:
    """Begin an upload of which only the first bytes arrive. When this returns, it has its slot."""
    connection = await stack.enter_async_context(raw_connection(url))
    head = bearer(account, Content_Length=str(PART_BYTES), X_Forwarded_For=address, Expect="100-continue")
    await connection.begin("POST", "/v1/images", head)
    # The service asks for the body when it begins to read it.
    assert (await connection.read_response()).status == 100
    await connection.send(file_part(name) + png() + b"\0" * SLOW_BYTES)
    return connection


async def upload(url: str, account: Account, name: str, address: str) -> httpx.Response:
    headers = {"X-Forwarded-For": address}
    files = {"image": (name, png())}
    return await account.client.post(f"{url}/v1/images", files=files, headers=headers, timeout=60)


async def test_f8_uploads_of_one_account_and_of_one_address_are_bounded(
    settings: Settings, make_account: Callable[..., Awaitable[Account]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.http.request_queues.TURN_SECONDS", 0.5)
    limits = {
        "upload_concurrency_per_client": 2,
        "upload_memory_bytes": 8 * 2 * PART_BYTES,
        "trusted_proxies": ["127.0.0.1"],
    }
    slow, neighbour, honest = [await make_account() for _ in range(3)]
    async with running_service(settings.model_copy(update=limits)) as service, AsyncExitStack() as stack:
        for number in range(2):
            await begin_slow(stack, service.url, slow, f"slow{number}.png", "192.0.2.1")
        refused = await upload(service.url, slow, "own.png", "192.0.2.7")
        assert (refused.status_code, refused.json()["type"]) == (429, "/problems/too-many-requests")
        assert int(refused.headers["retry-after"]) >= 1
        # The address has six of eight places, for any number of accounts.
        for number in range(4):
            account = await make_account()
            await begin_slow(stack, service.url, account, f"more{number}.png", "192.0.2.1")
        assert (await upload(service.url, neighbour, "neighbour.png", "192.0.2.1")).status_code == 429
        assert (await upload(service.url, honest, "honest.png", "198.51.100.1")).status_code == 201


async def test_f8_slow_uploads_make_room_for_those_that_wait(
    settings: Settings, make_account: Callable[..., Awaitable[Account]]
) -> None:
    limits = {
        "upload_memory_bytes": 2 * PART_BYTES,
        "trusted_proxies": ["127.0.0.1"],
        "upload_idle_seconds": 1,
        "upload_min_bytes_per_second": 1,
    }
    slow, honest = await make_account(), await make_account()
    async with running_service(settings.model_copy(update=limits)) as service, AsyncExitStack() as stack:
        connection = await begin_slow(stack, service.url, slow, "slow.png", "192.0.2.1")
        trickle = asyncio.create_task(_trickle(connection))
        await asyncio.sleep(0.3)
        # Slow enough to go on for an hour, too slow while another upload waits.
        assert not trickle.done()
        assert (await upload(service.url, honest, "honest.png", "198.51.100.1")).status_code == 201
        trickle.cancel()


async def _trickle(connection: RawConnection) -> None:
    while True:
        await connection.send(b"\0" * 100)
        await asyncio.sleep(0.1)
