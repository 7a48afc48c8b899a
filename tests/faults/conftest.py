"""A service of the test's own behind fault proxies, and the invariants after any fault."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import asyncpg
import httpx
import psutil
import pytest
from pydantic import SecretStr

from app.core.settings import Settings
from app.db.database import Database
from app.db.schema.schema_upgrade import upgrade
from app.images.maintenance.consistency_check import ConsistencyCheck
from app.images.maintenance.orphan_sweeper import OrphanSweeper
from app.storage.object_store import ObjectStore
from devstack import Stack
from tests.support.accounts import Account
from tests.support.processes import ServiceProcess, service_process
from tests.support.server import RunningService, running_service
from tests.support.tcp_proxy import FaultProxy, fault_proxy

IMAGES = "SELECT (SELECT count(*) FROM images) + (SELECT count(*) FROM trashed_images)"
OPEN_TRANSACTIONS = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in%' AND datname = current_database()"


@dataclass(slots=True)
class Behind:
    """Settings that lead through the proxies, and the proxies."""

    settings: Settings
    postgres: FaultProxy
    store: FaultProxy


@dataclass(slots=True)
class Acknowledged:
    """The uploads that the service answered with 201: path and bytes."""

    bodies: dict[str, bytes] = field(default_factory=dict)

    def note(self, response: httpx.Response, body: bytes) -> None:
        if response.status_code == httpx.codes.CREATED:
            self.bodies[response.json()["links"]["content"]] = body


@pytest.fixture
async def behind(settings: Settings, empty_bucket: ObjectStore, sql: asyncpg.Connection) -> AsyncIterator[Behind]:  # noqa: ARG001 - they empty
    async with behind_proxies(settings) as behind:
        yield behind


@asynccontextmanager
async def behind_proxies(settings: Settings) -> AsyncIterator[Behind]:
    """Put a proxy before PostgreSQL and one before the object store."""
    url = settings.database_url.get_secret_value()
    before, _, rest = url.rpartition("@") if "@" in url else ("", "", url.partition("://")[2])
    address, _, name = rest.partition("/")
    start = f"{before}@" if before else url.partition("://")[0] + "://"
    async with fault_proxy(address) as postgres, fault_proxy(settings.storage_endpoint) as store:
        own = {
            "database_url": SecretStr(f"{start}{postgres.address}/{name}"),
            "storage_endpoint": store.address,
            # The commit that a test holds up is to be the upload's, not one of the folding of tag counts.
            "tag_count_compaction_interval_seconds": 3600,
        }
        yield Behind(Settings.model_validate({**settings.model_dump(), **own}), postgres, store)


@pytest.fixture
async def faulty(behind: Behind) -> AsyncIterator[RunningService]:
    """A service behind the proxies, in this process."""
    async with running_service(behind.settings) as service:
        yield service


@pytest.fixture
def acknowledged() -> Acknowledged:
    return Acknowledged()


@dataclass(frozen=True, slots=True)
class Backends:
    """Direct connections to the backends, without a proxy, to check the results."""

    settings: Settings
    database: Database
    object_store: ObjectStore
    sql: asyncpg.Connection

    async def check(self, client: httpx.AsyncClient, acknowledged: Acknowledged, *, thumbnails: bool = False) -> None:
        """Run the sweeper once, then check everything; `client` may read every image, some may have thumbnails."""
        await self.sql.execute("UPDATE orphaned_objects SET orphaned_at = orphaned_at - interval '1 day'")
        await OrphanSweeper(self.database, self.object_store, self.settings).sweep()
        at_once = self.settings.model_copy(update={"orphan_grace_seconds": 0})
        report = await ConsistencyCheck(self.database, self.object_store, at_once).run(dry_run=False, digests=True)
        assert report.damaged == []
        assert report.orphans == []
        assert await self.object_store.list_uploads() == []
        assert report.images == await self.sql.fetchval(IMAGES)
        assert report.objects == report.images or (thumbnails and report.objects > report.images)
        assert await self.sql.fetchval("SELECT count(*) FROM orphaned_objects") == 0
        for path, body in acknowledged.bodies.items():
            assert (await client.get(path)).content == body
        # The background tasks have transactions of their own, for a moment each.
        async with asyncio.timeout(30):
            while await self.sql.fetchval(OPEN_TRANSACTIONS):
                await asyncio.sleep(0.02)


@pytest.fixture
async def invariants(
    settings: Settings,
    database: Database,
    object_store: ObjectStore,
    sql: asyncpg.Connection,
    service: RunningService,
    user: Account,
    acknowledged: Acknowledged,
) -> Callable[[], Awaitable[None]]:
    """Run the sweeper once, then check everything, through a service that has no proxies."""
    assert str(user.client.base_url).startswith(service.url)
    backends = Backends(settings, database, object_store, sql)
    return lambda: backends.check(user.client, acknowledged)


@pytest.fixture(scope="session")
def own_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Servers that no other test uses, to be killed and frozen."""
    with Stack(tmp_path_factory.mktemp("stack") / "data", report=lambda _line: None) as stack:
        yield stack


@pytest.fixture(scope="session")
def own_settings(
    own_stack: Stack, make_settings: Callable[..., Settings], tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    """Settings on `own_stack`."""
    addresses = {name.lower(): value for name, value in own_stack.addresses().items()}
    settings = make_settings(
        **addresses, telemetry_flush_seconds=0.05, telemetry_spill_dir=tmp_path_factory.mktemp("wal")
    )
    upgrade(settings.sqlalchemy_direct_url)
    return settings


@pytest.fixture
async def revive(own_stack: Stack) -> AsyncIterator[Callable[[], None]]:
    """Bring back those of the servers that were killed; done at the end in any case."""

    def bring_back() -> None:
        own_stack.revive()

    yield bring_back
    bring_back()


def processes_of(stack: Stack, name: str) -> list[psutil.Process]:
    """Return a server's process and its children."""
    process = psutil.Process(int(json.loads(stack.pid_file(name).read_text())["pid"]))
    return [process, *process.children(recursive=True)]


def kill(stack: Stack, name: str) -> None:
    """Kill a server at once and for good, its children included."""
    processes = processes_of(stack, name)
    processes[0].kill()
    psutil.wait_procs(processes, timeout=20)


@contextmanager
def frozen(stack: Stack, name: str) -> Iterator[None]:
    """Stop a server in its tracks while the block runs: its sockets stay open, but unread."""
    processes = processes_of(stack, name)
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            process.resume()


async def wait_until_well(client: httpx.AsyncClient) -> None:
    """Wait until the service finds every backend in order."""
    # A service needs 40 s on a loaded machine.
    async with asyncio.timeout(90):
        while (await client.get("/readyz")).json()["status"] != "ok":
            await asyncio.sleep(0.05)


@asynccontextmanager
async def well_process(settings: Settings, module: str = "app") -> AsyncIterator[ServiceProcess]:
    """Serve these settings in a process of its own, once it has found its backends.

    The proxies are in this event loop, which stands still until the process answers: it finds them down at first.
    """
    with service_process(settings, module=module) as service:
        async with httpx.AsyncClient(base_url=service.url) as client:
            await wait_until_well(client)
        yield service
