"""A service of the test's own behind fault proxies, and what must hold whatever happened to it."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import asyncpg
import httpx
import psutil
import pytest
from pydantic import SecretStr

from app.core.settings import Settings
from app.db.session import Database
from app.images.audit import Audit
from app.images.sweeper import Sweeper
from app.storage.object_store import ObjectStore
from tests.accounts import Account
from tests.environment import environment
from tests.faults.proxy import FaultProxy, fault_proxy
from tests.server import RunningService, running_service

OPEN_TRANSACTIONS = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in%' AND datname = current_database()"


@dataclass(slots=True)
class Behind:
    """Settings that lead through the proxies, and the proxies."""

    settings: Settings
    postgres: FaultProxy
    store: FaultProxy


@dataclass(slots=True)
class Acknowledged:
    """What the service has answered 201 for: path and bytes."""

    bodies: dict[str, bytes] = field(default_factory=dict)

    def note(self, answer: httpx.Response, body: bytes) -> None:
        if answer.status_code == httpx.codes.CREATED:
            self.bodies[answer.json()["links"]["content"]] = body


@pytest.fixture
async def behind(settings: Settings, empty_bucket: ObjectStore, sql: asyncpg.Connection) -> AsyncIterator[Behind]:  # noqa: ARG001 - they empty
    url = settings.database_url.get_secret_value()
    before, _, rest = url.rpartition("@") if "@" in url else ("", "", url.partition("://")[2])
    address, _, name = rest.partition("/")
    start = f"{before}@" if before else url.partition("://")[0] + "://"
    async with fault_proxy(address) as postgres, fault_proxy(settings.storage_endpoint) as store:
        own = {
            "database_url": SecretStr(f"{start}{postgres.address}/{name}"),
            "storage_endpoint": store.address,
            # The commit that a test holds up is to be the upload's, not one of the folding of tag counts.
            "tag_count_interval_seconds": 3600,
        }
        proxied = Settings.model_validate({**settings.model_dump(), **own})
        yield Behind(proxied, postgres, store)


@pytest.fixture
async def faulty(behind: Behind) -> AsyncIterator[RunningService]:
    """A service behind the proxies, in this process."""
    async with running_service(behind.settings) as service:
        yield service


@pytest.fixture
def acknowledged() -> Acknowledged:
    return Acknowledged()


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

    async def check() -> None:
        await sql.execute("UPDATE doomed_objects SET doomed_at = doomed_at - interval '1 day'")
        await Sweeper(database, object_store, settings).sweep()
        at_once = settings.model_copy(update={"doomed_grace_seconds": 0})
        report = await Audit(database, object_store, at_once).run(dry_run=False, digests=True)
        assert report.damaged == []
        assert report.orphans == []
        assert await object_store.list_uploads() == []
        assert report.objects == report.images == await sql.fetchval("SELECT count(*) FROM images")
        assert await sql.fetchval("SELECT count(*) FROM doomed_objects") == 0
        for path, body in acknowledged.bodies.items():
            assert (await user.client.get(f"{service.url}{path}")).content == body
        # The background tasks have transactions of their own, for a moment each.
        async with asyncio.timeout(10):
            while await sql.fetchval(OPEN_TRANSACTIONS):
                await asyncio.sleep(0.02)

    return check


@asynccontextmanager
async def service_process(settings: Settings) -> AsyncIterator[tuple[str, psutil.Process]]:
    """Serve these settings in a process that can be killed."""
    script = (
        "import socket,uvicorn; from app.main import create_app; s=socket.create_server(('127.0.0.1',0));"
        "print(s.getsockname()[1],flush=True);"
        "uvicorn.Server(uvicorn.Config(create_app(),log_config=None,access_log=False)).run(sockets=[s])"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, env={**environment(settings), "LOG_LEVEL": "ERROR"}, stdout=-1
    )
    assert process.stdout is not None
    try:
        url = f"http://127.0.0.1:{int(await process.stdout.readline())}"
        async with httpx.AsyncClient(base_url=url) as client:
            while (await client.get("/healthz")).status_code != httpx.codes.OK:
                await asyncio.sleep(0.05)
        yield url, psutil.Process(process.pid)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
