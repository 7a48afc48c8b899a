"""kill -9 of the service, of PostgreSQL and of the object store during resumable uploads: acknowledged bytes stay."""

import asyncio
import contextlib
import hashlib
import itertools
import logging
import random
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import asyncpg
import httpx
import pytest

from app.core.settings import Settings
from app.db.base import utc_now
from app.db.database import Database
from app.storage.chunks import PART_BYTES
from app.storage.object_store import ObjectStore
from app.uploads.repository import UploadRepository
from devstack import Stack
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
from tests.support.server_fixtures import empty_tables
from tests.support.tcp_proxy import FaultProxy
from tests.uploads.clients import HttpClient, TusClient

logger = logging.getLogger(__name__)

VICTIMS = ("service", "postgres", "object_store")
APPEND_BYTES = (1000, 70_000, 1_000_000, 3_000_000, 5_242_880, 7_000_000)
FILE_BYTES = 12_000_000
# A small file is one object; a large one has a part and a last part.
SMALL_APPEND_BYTES = (1000, 20_000, 70_000)
SMALL_FILE_BYTES = (80_000, 250_000)
LARGE_FILE_BYTES = (5_300_000, 6_500_000)
MAX_PAUSE_SECONDS = 0.6
# Between an error and the next attempt of a client.
PAUSE_SECONDS = 0.1
# A file and 20 restarts of the service, of which one takes 15 s on a loaded machine.
DEADLINE_SECONDS = 600
# The uploads that are killed at each step, and in the default run.
UPLOADS, FEW_UPLOADS = 20, 3
# No limit of the service keeps an upload of one account from its step.
ROOM_FOR_UPLOADS = {
    "upload_concurrency_per_client": 2 * UPLOADS,
    "upload_memory_bytes": 2 * UPLOADS * 2 * PART_BYTES,
    "database_pool_size": 4 * UPLOADS,
}
# The longest wait for the first upload at the step on a loaded machine.
ARRIVAL_SECONDS = 240
# The time in which the others arrive. The service and the client wait longer.
GATHERING_SECONDS = 45
PATIENT_SERVICE = "tests.support.patient_service"


class Step(NamedTuple):
    """A step of an upload: the backend, the messages by which it begins, and the large files of five.

    The empty message is the execution of a statement, whose text the connection sends before.
    """

    backend: str
    hold_at: tuple[bytes, ...]
    large_files: int


STEPS = {
    "creation": Step("postgres", (b"INSERT INTO uploads", b""), 1),
    "writer": Step("postgres", (b"UPDATE uploads SET writer = ", b""), 1),
    "multipart upload": Step("store", (b"?uploads",), 5),
    "first part": Step("store", (b"partNumber=1",), 5),
    "small append": Step("store", (b"/uploads/",), 1),
    "rows of the parts": Step("postgres", (b"INSERT INTO upload_parts", b""), 1),
    "commit of the parts": Step("postgres", (b"INSERT INTO upload_parts", b"COMMIT;"), 1),
    "small object": Step("store", (b"/originals/",), 0),
    "object": Step("store", (b"CompleteMultipartUpload",), 5),
    "image": Step("postgres", (b"image/png",), 1),
}
# The kill of the default run.
SHORT = ("tus", "service", "object", "after", FEW_UPLOADS)


def kills_at_steps() -> list[Any]:
    """Return every protocol, server and step, before and after the backend has executed the step."""
    every = itertools.product(("tus", "http"), VICTIMS, STEPS, ("before", "after"), (UPLOADS,))
    return [SHORT, *(pytest.param(*one, marks=pytest.mark.slow) for one in every)]


@dataclass(slots=True)
class Uploader:
    """A client that continues an upload until its image exists, and checks each offset."""

    account: Account
    protocol: str
    random: random.Random
    body: bytes
    append_bytes: tuple[int, ...] = APPEND_BYTES
    url: str = ""
    acknowledged: int = 0
    sent: int = 0
    requests: int = field(default=0)

    async def upload(self) -> str:
        """Upload the file, and return the path of its image."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not (image := await self._continue()):
                pass
        return image

    async def _continue(self) -> str | None:
        """Send the next bytes. Returns the path of the image once the upload is complete."""
        try:
            if not self.url:
                await self._create(len(self.body))
                return None
            head = await (self._tus if self.protocol == "tus" else self._http).head(self.url)
            if not await self._is_usable(head):
                return None
            offset = int(head.headers["Upload-Offset"])
            assert self.acknowledged <= offset <= self.sent
            if "Content-Location" in head.headers:
                assert offset == len(self.body)
                return head.headers["Content-Location"]
            assert offset < len(self.body)
            await self._append(offset)
        except httpx.TransportError:
            await asyncio.sleep(PAUSE_SECONDS)
        return None

    async def _create(self, length: int) -> None:
        if self.protocol == "tus":
            made = await self._tus.create(length)
        else:
            made = await self._http.create(complete=False, length=length)
        if await self._is_usable(made):
            self.url = made.headers["Location"]

    async def _append(self, offset: int) -> None:
        body = self.body
        end = min(offset + self.random.choice(self.append_bytes), len(body))
        self.sent = max(self.sent, end)
        if self.protocol == "tus":
            response = await self._tus.append(self.url, offset, body[offset:end])
        else:
            response = await self._http.append(self.url, offset, body[offset:end], complete=end == len(body))
        if await self._is_usable(response):
            self.acknowledged = end

    async def _is_usable(self, response: httpx.Response) -> bool:
        self.requests += 1
        assert response.is_success or response.status_code == 503, (
            response.request.method,
            response.status_code,
            response.text,
        )
        if not response.is_success:
            await asyncio.sleep(PAUSE_SECONDS)
        return response.is_success

    @property
    def _tus(self) -> TusClient:
        return TusClient(self.account)

    @property
    def _http(self) -> HttpClient:
        return HttpClient(self.account)


@dataclass(slots=True)
class UploadGroup:
    """Concurrent uploads of files of different lengths. A completed one is replaced by a new one."""

    account: Account
    protocol: str
    large_files: int
    random: random.Random
    running: dict[asyncio.Task[str], Uploader] = field(default_factory=dict)
    bodies: dict[str, bytes] = field(default_factory=dict)
    started: int = 0

    def start(self, count: int) -> None:
        """Start uploads until `count` are in progress."""
        self._collect()
        while len(self.running) < count:
            is_large = self.started % 5 < self.large_files
            self.started += 1
            body = noise_png(self.random.randint(*(LARGE_FILE_BYTES if is_large else SMALL_FILE_BYTES)))
            sizes = APPEND_BYTES[1:] if is_large else SMALL_APPEND_BYTES
            uploader = Uploader(self.account, self.protocol, self.random, body, sizes)
            self.running[asyncio.create_task(uploader.upload())] = uploader

    async def finish(self) -> dict[str, bytes]:
        """Wait for all uploads, and return the bytes of each image."""
        await asyncio.gather(*self.running)
        self._collect()
        return self.bodies

    async def cancel(self) -> None:
        """End the uploads."""
        for one in self.running:
            one.cancel()
        await asyncio.gather(*self.running, return_exceptions=True)

    def _collect(self) -> None:
        for done in [one for one in self.running if one.done()]:
            self.bodies[done.result()] = self.running.pop(done).body


@dataclass(slots=True)
class Servers:
    """A service process behind proxies, on servers of the tests' own."""

    stack: Stack
    settings: Settings
    behind: Behind
    processes: AsyncExitStack
    module: str = "app"
    service: ServiceProcess | None = None

    async def start(self) -> ServiceProcess:
        """Start the service."""
        await self.processes.aclose()
        self.service = await self.processes.enter_async_context(well_process(self.behind.settings, self.module))
        return self.service

    async def require(self, module: str = "") -> ServiceProcess:
        """Start the servers that do not run; with a module, the service by it."""
        self.restore()
        await asyncio.to_thread(self.stack.revive)
        is_other = module not in ("", self.module)
        self.module = module or self.module
        if self.service is None or is_other or self.service.process.poll() is not None:
            return await self.start()
        async with httpx.AsyncClient(base_url=self.service.url) as client:
            await wait_until_well(client)
        return self.service

    async def kill(self, victim: str) -> ServiceProcess:
        """Kill a server, and start it again."""
        assert self.service is not None
        if victim == "service":
            self.service.process.kill()
            self.service.process.wait()
        else:
            assert processes_of(self.stack, victim)
            await asyncio.to_thread(kill, self.stack, victim)
        self.restore()
        return await self.require()

    def restore(self) -> None:
        """End the faults of the proxies, and every connection."""
        for proxy in (self.behind.postgres, self.behind.store):
            proxy.set()
            proxy.cut()


@dataclass(slots=True)
class Scene:
    """The servers, and a client of the service."""

    servers: Servers
    account: Account

    async def kill(self, victim: str) -> None:
        """Kill a server, start it again, and direct the client to the service."""
        self.account.client.base_url = httpx.URL((await self.servers.kill(victim)).url)

    async def check(self, bodies: dict[str, bytes]) -> None:
        """Check the images, the digests of their objects, and that one sweep leaves nothing that no row owns."""
        for path, body in bodies.items():
            image = (await self.account.client.get(path)).json()
            assert image["sha256"] == hashlib.sha256(body).hexdigest()
        settings = self.servers.settings
        database, store = Database(settings), ObjectStore(settings)
        sql = await asyncpg.connect(settings.direct_database_url)
        try:
            await self._check_rows(sql)
            # A creation whose response was lost has left an upload without bytes.
            await sql.execute("UPDATE uploads SET expires_at = now() - interval '1 hour'")
            async with database.unit_of_work() as session:
                await UploadRepository(session).remove_expired(utc_now(), 100)
            await Backends(settings, database, store, sql).check(self.account.client, Acknowledged())
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


@pytest.fixture(scope="module")
async def servers(own_stack: Stack, own_settings: Settings) -> AsyncIterator[Servers]:
    settings = own_settings.model_copy(update={"sweep_interval_seconds": 3600, **ROOM_FOR_UPLOADS})
    async with behind_proxies(settings) as behind, AsyncExitStack() as processes:
        yield Servers(own_stack, settings, behind, processes)


@pytest.fixture
async def scene(servers: Servers, request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    service, settings = await servers.require(getattr(request, "param", "app")), servers.settings
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
    account = await add_account(service.url, settings, database, f"{time.time_ns()}@example.com", is_admin=True)
    await database.close()
    yield Scene(servers, account)
    await account.client.aclose()
    await servers.require()


@pytest.mark.parametrize("scene", [PATIENT_SERVICE], indirect=True, ids=[pytest.HIDDEN_PARAM])
@pytest.mark.parametrize(("protocol", "victim", "step", "hold", "uploads"), kills_at_steps())
# The large files take a minute on a loaded machine.
@pytest.mark.timeout(900)
async def test_a_kill_at_a_step_loses_no_acknowledged_byte(
    scene: Scene, protocol: str, victim: str, step: str, hold: str, uploads: int
) -> None:
    place = STEPS[step]
    behind = scene.servers.behind
    proxy = behind.postgres if place.backend == "postgres" else behind.store
    group = UploadGroup(scene.account, protocol, place.large_files, random.Random(step))
    killed: list[int] = []
    try:
        while sum(killed) < uploads:
            proxy.set(hold_at=place.hold_at, hold=hold)
            # A connection sends the text of a statement only once.
            proxy.cut()
            group.start(uploads)
            killed.append(await count_at_step(proxy, uploads))
            assert 0 < killed[-1] <= uploads
            await scene.kill(victim)
        bodies = await group.finish()
    finally:
        await group.cancel()
    logger.info("killed at the step: %s; %d images", killed, len(bodies))
    await scene.check(bodies)


async def count_at_step(proxy: FaultProxy, expected: int) -> int:
    """Return the number of uploads that wait at the step, once it is the expected one or the time has passed."""
    async with asyncio.timeout(ARRIVAL_SECONDS):
        await proxy.held.wait()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GATHERING_SECONDS):
            while proxy.held_connections < expected:
                await asyncio.sleep(0.01)
    return proxy.held_connections


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
        uploader = Uploader(scene.account, protocol, chance, noise_png(FILE_BYTES))
        running = asyncio.create_task(uploader.upload())
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
        await scene.check({path: uploader.body})
