"""A private Redis that tests may fill, freeze and kill, and services that reach it through fault proxies."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import httpx
import psutil
import pytest
from redis.asyncio import Redis

from app.core.settings import Settings
from app.db.database import Database
from app.db.schema.schema_upgrade import upgrade
from app.storage.object_store import ObjectStore
from devstack import Stack
from tests.support.accounts import Account, add_account
from tests.support.server import running_service
from tests.support.server_fixtures import empty_tables
from tests.support.tcp_proxy import FaultProxy, fault_proxy

WAIT_SECONDS = 30


@dataclass(slots=True)
class OwnRedis:
    """A real server with its data on disk."""

    stack: Stack
    url: str

    def kill(self) -> None:
        psutil.Process(json.loads(self.stack.pid_file("redis").read_text())["pid"]).kill()

    async def revive(self) -> None:
        """Start it again with its saved data."""
        while not await asyncio.to_thread(self.stack.revive):
            await asyncio.sleep(0.05)

    async def run(self, command: str) -> None:
        """Run a command on a new connection."""
        client = Redis.from_url(self.url)
        await client.execute_command(command)  # type: ignore[no-untyped-call]
        await client.aclose()

    def through(self, proxy: FaultProxy) -> str:
        """Return its URL with the address of the proxy."""
        before, _, _ = self.url.rpartition("@")
        return f"{before}@{proxy.address}/0"

    @property
    def address(self) -> str:
        return self.url.rpartition("@")[2].partition("/")[0]


@pytest.fixture(scope="session")
async def own_redis(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OwnRedis]:
    stack = Stack(tmp_path_factory.mktemp("redis"), wanted=("redis",), report=lambda _line: None)
    addresses = await asyncio.to_thread(stack.start)
    yield OwnRedis(stack, addresses["REDIS_URL"])
    await asyncio.to_thread(stack.stop)


@pytest.fixture
async def own_client(own_redis: OwnRedis) -> AsyncIterator[Redis]:
    """A client of it that bypasses the proxies."""
    client = Redis.from_url(own_redis.url)
    await client.flushall()
    yield client
    await client.aclose()


@dataclass(slots=True)
class Cached:
    """A client of a service with a cache, and the proxy in front of its Redis."""

    client: httpx.AsyncClient
    proxy: FaultProxy

    async def metric(self, name: str) -> float:
        """Return a metric of the cache."""
        return await self._read_metric(f"imts_cache_{name}")

    async def is_disconnected(self) -> bool:
        """Whether the connection of the service to Redis is down."""
        return bool(await self._read_metric("imts_redis_breaker_open"))

    async def _read_metric(self, name: str) -> float:
        text = (await self.client.get("/metrics")).text
        return float(next(line for line in text.splitlines() if line.startswith(f"{name} ")).split()[1])

    async def wait_until(self, *, is_usable: bool) -> None:
        """Wait until the service uses its cache, or no longer uses it."""
        async with asyncio.timeout(WAIT_SECONDS):
            while bool(await self.metric("enabled_workers")) is not is_usable:
                await asyncio.sleep(0.02)


Serve = Callable[..., AbstractAsyncContextManager[Cached]]


@pytest.fixture(scope="session")
async def own_settings(
    settings: Settings, make_settings: Callable[..., Settings], fresh_database_url: Callable[[], Awaitable[str]]
) -> Settings:
    """Settings with a private database: all services on one database must share a Redis."""
    own = settings.model_dump(exclude_unset=True) | {
        "database_url": await fresh_database_url(),
        # The proxies run in the process of the tests, which may be busy.
        "cache_timeout_ms": 500,
    }
    own_settings = make_settings(**own)
    await asyncio.to_thread(upgrade, own_settings.sqlalchemy_direct_url)
    return own_settings


@pytest.fixture
async def sql(own_settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    """A connection to that database, whose tables are emptied."""
    connection = await asyncpg.connect(own_settings.direct_database_url)
    await empty_tables(connection)
    yield connection
    await connection.close()


@pytest.fixture
async def make_account(
    own_settings: Settings,
    sql: asyncpg.Connection,  # noqa: ARG001 - empties the tables
) -> AsyncIterator[Callable[..., Awaitable[Account]]]:
    """Create accounts in that database. The headers of their clients are valid for each service."""
    database = Database(own_settings)
    made: list[Account] = []

    async def make(*, is_admin: bool = False) -> Account:
        email = f"{uuid.uuid4().hex}@example.com"
        made.append(await add_account("http://127.0.0.1", own_settings, database, email, is_admin=is_admin))
        return made[-1]

    yield make
    for account in made:
        await account.client.aclose()
    await database.close()


@pytest.fixture
def serve(
    own_settings: Settings,
    own_redis: OwnRedis,
    own_client: Redis,  # noqa: ARG001 - empties it
    object_store: ObjectStore,  # noqa: ARG001 - makes the bucket
    tmp_path: Path,
) -> Serve:
    """Serve that database with a private cache."""

    @asynccontextmanager
    async def serve(**overrides: object) -> AsyncIterator[Cached]:
        async with fault_proxy(own_redis.address) as proxy:
            own = {"redis_url": own_redis.through(proxy), "telemetry_spill_dir": tmp_path / uuid.uuid4().hex}
            changed = Settings.model_validate({**own_settings.model_dump(), **own, **overrides})
            async with running_service(changed) as running, httpx.AsyncClient(base_url=running.url) as client:
                found = Cached(client, proxy)
                await found.wait_until(is_usable=changed.cache_enabled)
                yield found

    return serve


@pytest.fixture
async def cached(serve: Serve) -> AsyncIterator[Cached]:
    async with serve() as cached:
        yield cached
