"""kill -9 of the service, of PostgreSQL and of the object store during resumable uploads: acknowledged bytes stay."""

import asyncio
import contextlib
import hashlib
import itertools
import logging
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import httpx
import pytest

from app.core.settings import Settings
from app.db.base import utc_now
from app.db.database import Database
from app.storage.object_store import ObjectStore
from app.uploads.repository import UploadRepository
from devstack import Stack
from tests.conftest import empty_tables
from tests.faults.conftest import (
    Acknowledged,
    Backends,
    Behind,
    behind_proxies,
    kill,
    processes_of,
    wait_until_well,
    well_process,
)
from tests.images.files import noise_png
from tests.support.accounts import Account, add_account
from tests.support.processes import ServiceProcess
from tests.support.tcp_proxy import FaultProxy
from tests.uploads.clients import HttpClient, TusClient

logger = logging.getLogger(__name__)

VICTIMS = ("service", "postgres", "object_store")
FILE_BYTES = 12_000_000
APPEND_BYTES = (1000, 70_000, 1_000_000, 3_000_000, 5_242_880, 7_000_000)
MAX_PAUSE_SECONDS = 0.6
# A file and 20 restarts of the service, of which one takes 15 s on a loaded machine.
DEADLINE_SECONDS = 600
# The backend, and bytes of the request by which a step begins.
STEPS = {
    "creation": ("postgres", b"INSERT INTO uploads"),
    "writer": ("postgres", b"UPDATE uploads SET"),
    "multipart upload": ("store", b"?uploads"),
    "first part": ("store", b"partNumber=1"),
    "small append": ("store", b"/uploads/"),
    "rows of the parts": ("postgres", b"INSERT INTO upload_parts"),
    "object": ("store", b"CompleteMultipartUpload"),
    "image": ("postgres", b"image/png"),
}
# The kills of the default run.
SHORT = (("tus", "service", "object", "after"),)


def kills_at_steps() -> list[Any]:
    """Return every protocol, server and step, before and after the backend has the request of the step."""
    every = itertools.product(("tus", "http"), VICTIMS, STEPS, ("before", "after"))
    return [pytest.param(*one, marks=() if one in SHORT else pytest.mark.slow) for one in every]


@dataclass(slots=True)
class Uploader:
    """A client that continues an upload until its image exists, and checks each offset."""

    account: Account
    protocol: str
    random: random.Random
    url: str = ""
    acknowledged: int = 0
    sent: int = 0
    requests: int = field(default=0)

    async def upload(self, body: bytes) -> str:
        """Upload the file, and return the path of its image."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not (image := await self._continue(body)):
                pass
        return image

    async def _continue(self, body: bytes) -> str | None:
        """Send the next bytes. Returns the path of the image once the upload is complete."""
        try:
            if not self.url:
                await self._create(len(body))
                return None
            head = await (self._tus if self.protocol == "tus" else self._http).head(self.url)
            if not self._is_usable(head):
                return None
            offset = int(head.headers["Upload-Offset"])
            assert self.acknowledged <= offset <= self.sent
            if "Content-Location" in head.headers:
                assert offset == len(body)
                return head.headers["Content-Location"]
            assert offset < len(body)
            await self._append(offset, body)
        except httpx.TransportError:
            await asyncio.sleep(0.1)
        return None

    async def _create(self, length: int) -> None:
        if self.protocol == "tus":
            made = await self._tus.create(length)
        else:
            made = await self._http.create(complete=False, length=length)
        if self._is_usable(made):
            self.url = made.headers["Location"]

    async def _append(self, offset: int, body: bytes) -> None:
        end = min(offset + self.random.choice(APPEND_BYTES), len(body))
        self.sent = max(self.sent, end)
        if self.protocol == "tus":
            response = await self._tus.append(self.url, offset, body[offset:end])
        else:
            response = await self._http.append(self.url, offset, body[offset:end], complete=end == len(body))
        if self._is_usable(response):
            self.acknowledged = end

    def _is_usable(self, response: httpx.Response) -> bool:
        self.requests += 1
        assert response.is_success or response.status_code == 503, (
            response.request.method,
            response.status_code,
            response.text,
        )
        return response.is_success

    @property
    def _tus(self) -> TusClient:
        return TusClient(self.account)

    @property
    def _http(self) -> HttpClient:
        return HttpClient(self.account)


@dataclass(slots=True)
class Scene:
    """A service process behind proxies, on servers of the test's own."""

    stack: Stack
    settings: Settings
    behind: Behind
    account: Account
    processes: AsyncExitStack
    acknowledged: Acknowledged = field(default_factory=Acknowledged)
    service: ServiceProcess | None = None

    async def start(self) -> None:
        """Start the service, and direct the client to it."""
        self.service = await self.processes.enter_async_context(well_process(self.behind.settings))
        self.account.client.base_url = httpx.URL(self.service.url)

    async def kill(self, victim: str) -> None:
        """Kill a server, and start it again."""
        assert self.service is not None
        if victim == "service":
            self.service.process.kill()
        else:
            assert processes_of(self.stack, victim)
            await asyncio.to_thread(kill, self.stack, victim)
        for proxy in (self.behind.postgres, self.behind.store):
            proxy.set()
            proxy.cut()
        if victim == "service":
            await self.start()
        else:
            await asyncio.to_thread(self.stack.revive)
            async with httpx.AsyncClient(base_url=self.service.url) as client:
                await wait_until_well(client)

    async def check(self, path: str, body: bytes) -> None:
        """Check the image, and that one sweep leaves nothing that no row owns."""
        image = (await self.account.client.get(path)).json()
        assert image["sha256"] == hashlib.sha256(body).hexdigest()
        self.acknowledged.bodies[image["links"]["content"]] = body
        database, store = Database(self.settings), ObjectStore(self.settings)
        sql = await asyncpg.connect(self.settings.direct_database_url)
        try:
            await self._check_rows(sql)
            # A creation whose response was lost has left an upload without bytes.
            await sql.execute("UPDATE uploads SET expires_at = now() - interval '1 hour'")
            async with database.unit_of_work() as session:
                await UploadRepository(session).remove_expired(utc_now(), 100)
            await Backends(self.settings, database, store, sql).check(self.account.client, self.acknowledged)
        finally:
            await sql.close()
            await store.close()
            await database.close()

    async def _check_rows(self, sql: asyncpg.Connection) -> None:
        ended = "SELECT count(*) FROM upload_parts JOIN uploads ON uploads.id = upload_id WHERE state <> 'open'"
        assert await sql.fetchval(ended) == 0
        kept = "SELECT count(*) FROM orphaned_objects WHERE orphaned_at = 'infinity'"
        open_uploads = "SELECT count(*) FROM uploads WHERE state = 'open'"
        assert await sql.fetchval(kept) == await sql.fetchval(open_uploads)


@pytest.fixture
async def scene(own_stack: Stack, own_settings: Settings, revive: Callable[[], None]) -> AsyncIterator[Scene]:
    revive()
    settings = own_settings.model_copy(update={"sweep_interval_seconds": 3600})
    sql = await asyncpg.connect(settings.direct_database_url)
    await empty_tables(sql)
    await sql.close()
    store = ObjectStore(settings)
    await store.ensure_bucket()
    await store.remove([one.key async for one in store.list_objects()])
    for pending in await store.list_uploads():
        await store.abort(pending.key, pending.upload_id)
    await store.close()
    database = Database(settings)
    account = await add_account("http://unused", settings, database, f"{time.time_ns()}@example.com", is_admin=True)
    await database.close()
    async with behind_proxies(settings) as behind, AsyncExitStack() as processes:
        scene = Scene(own_stack, settings, behind, account, processes)
        await scene.start()
        yield scene
        await account.client.aclose()


@pytest.mark.parametrize(("protocol", "victim", "step", "hold"), kills_at_steps())
async def test_a_kill_at_a_step_loses_no_acknowledged_byte(
    scene: Scene, protocol: str, victim: str, step: str, hold: str
) -> None:
    backend, hold_at = STEPS[step]
    proxy: FaultProxy = scene.behind.postgres if backend == "postgres" else scene.behind.store
    body = noise_png(FILE_BYTES)
    uploader = Uploader(scene.account, protocol, random.Random(step))
    proxy.set(hold_at=hold_at, hold=hold)
    running = asyncio.create_task(uploader.upload(body))
    try:
        async with asyncio.timeout(60):
            await proxy.held.wait()
        await scene.kill(victim)
        path = await running
    finally:
        running.cancel()
    await scene.check(path, body)


@pytest.mark.parametrize(
    ("protocol", "victims", "kills"),
    [
        ("http", VICTIMS, 3),
        *(
            pytest.param(protocol, (victim,), 20, marks=pytest.mark.slow, id=f"{protocol}-{victim}-20")
            for protocol in ("tus", "http")
            for victim in VICTIMS
        ),
    ],
)
# 20 kills take two minutes on a loaded machine.
@pytest.mark.timeout(900)
async def test_kills_at_random_moments_lose_no_acknowledged_byte(
    scene: Scene, protocol: str, victims: tuple[str, ...], kills: int
) -> None:
    seed = random.randrange(1_000_000)
    logger.info("seed %d", seed)
    chance = random.Random(seed)
    done = 0
    while done < kills:
        body = noise_png(FILE_BYTES)
        uploader = Uploader(scene.account, protocol, chance)
        running = asyncio.create_task(uploader.upload(body))
        try:
            while done < kills:
                await asyncio.sleep(chance.uniform(0, MAX_PAUSE_SECONDS))
                if running.done():
                    break
                await scene.kill(victims[done % len(victims)])
                done += 1
            path = await running
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running
        logger.info("%d requests, %d kills", uploader.requests, done)
        await scene.check(path, body)
