"""Many writers and readers on two workers, and a Redis that fails at random.

No response is older than the last write that was acknowledged before the request, and none shows a private image of
another account. No request fails. In the end, the cache and the database agree.
"""

import asyncio
import itertools
import random
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx
import pytest
from pydantic import SecretStr

from app.core.settings import Settings
from app.storage.object_store import ObjectStore
from tests.cache.conftest import OwnRedis
from tests.support.accounts import Account
from tests.support.photos import png
from tests.support.processes import service_process
from tests.support.tcp_proxy import FaultProxy, fault_proxy

WRITERS = 4
FAULTS: tuple[dict[str, Any], ...] = (
    {"refuse": True},
    {"black_hole": True},
    {"latency": 1.0},
    {"reset_after_received": 200},
    {"reset_after_sent": 300},
)


@dataclass(slots=True)
class Worker:
    """A process of the service and the proxy between it and Redis."""

    client: httpx.AsyncClient
    proxy: FaultProxy


@dataclass(slots=True)
class Owned:
    """An image, its owner, and the number of the last acknowledged change, which is in the name and the tag."""

    account: Account
    path: str
    visibility: str
    acknowledged: int = 0

    @property
    def headers(self) -> httpx.Headers:
        return self.account.client.headers


@asynccontextmanager
async def workers(settings: Settings, own_redis: OwnRedis) -> AsyncIterator[list[Worker]]:
    """Start two processes, each with its own proxy to Redis."""
    async with AsyncExitStack() as stack:
        found = []
        for _ in range(2):
            proxy = await stack.enter_async_context(fault_proxy(own_redis.address))
            own = settings.model_copy(update={"redis_url": SecretStr(own_redis.through(proxy))})
            url = stack.enter_context(service_process(own)).url
            client = await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=60))
            found.append(Worker(client, proxy))
        yield found


async def create(worker: Worker, account: Account, visibility: str) -> Owned:
    stem = uuid.uuid4().hex
    response = await worker.client.post(
        "/v1/images",
        files={"image": (f"{stem}.0.png", png())},
        data={"tags": "n0", "visibility": visibility},
        headers=account.client.headers,
    )
    assert response.status_code == 201, response.text
    return Owned(account, response.json()["links"]["self"], visibility)


async def write(owned: Owned, both: Sequence[Worker], until: float) -> None:
    for number in itertools.count(1):
        if time.monotonic() > until:
            return
        client = random.choice(both).client
        if number % 2:
            body = {"name": f"{uuid.uuid4().hex}.{number}.png"}
            response = await client.patch(owned.path, json=body, headers=owned.headers)
        else:
            response = await client.put(f"{owned.path}/tags", json={"tags": [f"n{number}"]}, headers=owned.headers)
        assert response.status_code == 200, response.text
        owned.acknowledged = number
        await asyncio.sleep(random.uniform(0, 0.5))


def number_of(image: dict[str, object]) -> int:
    """Return the number of the last visible change: names have the odd ones, tags the even ones."""
    tags = image["tags"]
    assert isinstance(tags, list)
    return max(int(str(image["name"]).split(".")[1]), *(int(str(tag)[1:]) for tag in tags))


async def read(owned: Owned, everyone: Sequence[Owned], both: Sequence[Worker], until: float) -> None:
    while time.monotonic() < until:
        client, before = random.choice(both).client, owned.acknowledged
        headers = owned.headers if owned.visibility == "private" or random.random() < 0.3 else {}
        response = await client.get(owned.path, headers=headers)
        assert response.status_code == 200, response.text
        assert number_of(response.json()) >= before
        before = owned.acknowledged
        page = await client.get("/v1/images", params={"q": f"tags:1..{random.randrange(2, 4)}"}, headers=headers)
        assert page.status_code == 200, page.text
        [shown] = [one for one in page.json()["items"] if one["links"]["self"] == owned.path]
        assert number_of(shown) >= before
        await check_visibility(owned, everyone, client)


async def check_visibility(owned: Owned, everyone: Sequence[Owned], client: httpx.AsyncClient) -> None:
    other = random.choice([one for one in everyone if one.visibility == "private" and one is not owned])
    headers = random.choice([{}, owned.headers])
    assert (await client.get(other.path, headers=headers)).status_code == 404
    page = await client.get("/v1/images", headers=headers)
    assert other.path not in {one["links"]["self"] for one in page.json()["items"]}


async def disturb(both: Sequence[Worker], own_redis: OwnRedis, until: float) -> None:
    # Fill the cache first.
    await asyncio.sleep(2)
    while time.monotonic() < until - 2:
        choice = random.randrange(8)
        worker = random.choice(both)
        if choice < 4:
            worker.proxy.set(**random.choice(FAULTS))
        elif choice == 4:
            worker.proxy.cut()
        elif choice == 5:
            await own_redis.run("FLUSHALL")
        elif choice == 6:
            await own_redis.run("SAVE")
        else:
            own_redis.kill()
            await own_redis.revive()
        await asyncio.sleep(random.uniform(0.1, 1.0))
        worker.proxy.set()
        # Sometimes long enough for the cache to become usable in between.
        await asyncio.sleep(random.choice([0.1, 1.0, 7.0]))


async def metric(worker: Worker, name: str) -> int:
    """Return a metric, added up over both workers."""
    text = (await worker.client.get("/metrics")).text
    return round(float(next(line for line in text.splitlines() if line.startswith(f"imts_cache_{name} ")).split()[1]))


async def wait_until_usable(both: Sequence[Worker]) -> None:
    async with asyncio.timeout(60):
        while await metric(both[0], "enabled_workers") < len(both):
            await asyncio.sleep(0.1)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("seconds", [8, pytest.param(90, marks=pytest.mark.slow)])
async def test_no_response_is_older_than_the_last_acknowledged_write(
    own_settings: Settings,
    own_redis: OwnRedis,
    object_store: ObjectStore,  # noqa: ARG001 - makes the bucket
    make_account: Callable[..., Awaitable[Account]],
    sql: asyncpg.Connection,
    seconds: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    settings = own_settings.model_copy(update={"telemetry_spill_dir": tmp_path_factory.mktemp("wal")})
    async with workers(settings, own_redis) as both:
        kinds = ["public", "private"] * (WRITERS // 2)
        owned = [await create(both[0], await make_account(), kind) for kind in kinds]
        await wait_until_usable(both)
        until = time.monotonic() + seconds
        async with asyncio.TaskGroup() as group:
            group.create_task(disturb(both, own_redis, until))
            for one in owned:
                group.create_task(write(one, both, until))
                for _ in range(2):
                    group.create_task(read(one, owned, both, until))
        await check_that_cache_and_database_agree(owned, both, sql)


async def check_that_cache_and_database_agree(
    owned: Sequence[Owned], both: Sequence[Worker], sql: asyncpg.Connection
) -> None:
    for worker in both:
        worker.proxy.set()
    stored = {row["id"]: row["name"] for row in await sql.fetch("SELECT id, name FROM images")}
    before = await metric(both[0], "hits_total")
    async with asyncio.timeout(60):
        # Until the responses come from the cache.
        while await metric(both[0], "hits_total") < before + 5 * len(owned):
            for worker, one in itertools.product(both, owned):
                image = (await worker.client.get(one.path, headers=one.headers)).json()
                assert image["name"] == stored[uuid.UUID(image["id"])]
                assert number_of(image) == one.acknowledged
