"""Two workers under mixed load while their servers freeze and die at random; then everything is healed, and must be."""

import asyncio
import contextlib
import itertools
import random
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import asyncpg
import httpx
import psutil
import pytest

from app.core.settings import Settings
from app.db.database import Database
from app.storage.chunks import PART_BYTES
from app.storage.object_store import ObjectStore
from devstack import Stack
from devstack.stack import BACKENDS
from tests.faults.conftest import Acknowledged, Backends, frozen, kill
from tests.images.files import noise_png
from tests.support.accounts import PASSWORD, Account, add_account
from tests.support.backends import with_database
from tests.support.photos import png
from tests.support.processes import ServiceProcess, service_process
from tests.support.server_fixtures import empty_tables
from tests.telemetry.records import metrics_count, request_ids

WORKERS = 2
CLIENTS = 10
SECONDS = 120
IMAGES_AT_FIRST = 3
TAGS = ("cat", "dog", "sea", "sky")
LARGE = PART_BYTES + 100_000
# Rare enough for the service to be well in between, frequent enough for a fault to meet the end of another one.
QUIET_SECONDS = (0.1, 1.0, 8.0)
HEALED_SECONDS = 60
HEALED = {
    "imts_cache_enabled_workers": WORKERS,
    "imts_telemetry_connected_workers": WORKERS,
    "imts_postgres_breaker_open": 0,
    "imts_redis_breaker_open": 0,
    "imts_db_connections_in_use": 0,
    "imts_http_requests_in_flight": 1,  # the one that asks for it
    "imts_telemetry_queue_length": 0,
    "imts_telemetry_spilled_records": 0,
    "imts_telemetry_dropped_total": 0,
    "imts_telemetry_unreadable_total": 0,
}


@dataclass(slots=True)
class Soak:
    """The service, its users, and its responses."""

    process: ServiceProcess
    users: list[Account]
    chance: random.Random
    acknowledged: Acknowledged = field(default_factory=Acknowledged)
    images: list[dict[str, str]] = field(default_factory=list)
    # The status of each request by its id, None where there was no response.
    statuses: dict[str, int | None] = field(default_factory=dict)
    faulty_responses: list[str] = field(default_factory=list)
    awake: asyncio.Event = field(default_factory=asyncio.Event)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    async def send(self, user: Account, method: str, path: str, **options: object) -> httpx.Response | None:
        request_id = uuid.uuid4().hex
        self.statuses[request_id] = None
        own = {"headers": {"X-Request-ID": request_id}, "timeout": 60}
        try:
            response = await user.client.request(method, path, **own, **options)  # type: ignore[arg-type]
        except httpx.TransportError:
            return None
        self.statuses[request_id] = response.status_code
        if response.status_code >= 500 and response.status_code != httpx.codes.SERVICE_UNAVAILABLE:
            self.faulty_responses.append(f"{method} {path} {response.status_code} {response.text}")
        return response

    async def upload(self, user: Account) -> None:
        body = noise_png(LARGE) if self.chance.random() < 0.05 else png()
        files = {"image": (f"{next(self._numbers)}.png", body)}
        response = await self.send(user, "POST", "/v1/images", files=files, data={"tags": self.chance.choice(TAGS)})
        if response is not None and response.status_code == httpx.codes.CREATED:
            self.acknowledged.note(response, body)
            self.images.append(response.json()["links"])

    async def leave(self, user: Account) -> None:
        """Ask for something and go away at some moment."""
        path = self.chance.choice(["/v1/images?q=cat -dog", "/v1/tags", self._image()["content"]])
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.chance.uniform(0, 0.1)):
                await self.send(user, "GET", path)

    async def use(self, user: Account, until: float) -> None:
        while time.monotonic() < until:
            await self.awake.wait()
            await self.act(user)

    async def act(self, user: Account) -> None:
        image = self._image()
        match self.chance.choices(range(8), (3, 3, 3, 2, 2, 0.3, 1, 1))[0]:
            case 0:
                await self.upload(user)
            case 1:
                await self.send(user, "GET", image["content"])
            case 2:
                await self.send(user, "GET", f"/v1/images?q={self.chance.choice(TAGS)} -{self.chance.choice(TAGS)}")
            case 3:
                await self.send(user, "GET", image["self"])
            case 4:
                await self.send(user, "POST", f"{image['self']}/tags", json={"tags": [self.chance.choice(TAGS)]})
            case 5:
                form = {"grant_type": "password", "username": user.email, "password": PASSWORD}
                await self.send(user, "POST", "/v1/auth/token", data=form)
            case 6:
                await self.send(user, "GET", f"{image['thumbnail']}?size=160")
            case _:
                await self.leave(user)

    def _image(self) -> dict[str, str]:
        return self.chance.choice(self.images)

    async def until_healed(self) -> None:
        """Wait until every gauge of every worker is where it is without load, and every backend responds."""
        found: object = None
        try:
            async with asyncio.timeout(HEALED_SECONDS):
                while (found := await self._look()) != (HEALED, {"ok"}):
                    await asyncio.sleep(0.3)
        except TimeoutError:
            raise AssertionError(f"not healed: {found}") from None

    async def _look(self) -> tuple[dict[str, float], set[str]]:
        """Return the figures, and the readiness; asks several times, since any worker may take a connection."""
        try:
            async with httpx.AsyncClient(base_url=self.process.url, timeout=30) as client:
                lines = (await client.get("/metrics")).text.splitlines()
                responses = await asyncio.gather(*(client.get("/readyz") for _ in range(8)))
        except httpx.TransportError:
            # Of a worker that was just killed.
            return {}, set()
        figures = {name: float(line.split()[1]) for name in HEALED for line in lines if line.startswith(f"{name} ")}
        return figures, {response.json()["status"] for response in responses}


async def disturb(soak: Soak, stack: Stack, until: float, *, kills: bool) -> None:
    chance = soak.chance
    while time.monotonic() < until:
        # Now and then no request is sent: an idle service must notice faults as well.
        if chance.random() < 0.3:
            soak.awake.clear()
        match chance.randrange(5):
            case 0 | 1:
                with frozen(stack, chance.choice(BACKENDS)):
                    await asyncio.sleep(chance.uniform(0.1, 5))
            case 2 | 3:
                for name in chance.sample(BACKENDS, chance.choice([1, 1, 2])):
                    kill(stack, name)
                await asyncio.sleep(chance.uniform(0, 3))
                await asyncio.to_thread(stack.revive)
            case _ if kills:
                for worker in soak.process.workers()[:1]:
                    worker.kill()
            case _:
                with suspended(chance.choice(soak.process.workers())):
                    await asyncio.sleep(chance.uniform(0.1, 4))
        await asyncio.sleep(chance.choice(QUIET_SECONDS))
        soak.awake.set()


@contextmanager
def suspended(process: psutil.Process) -> Iterator[None]:
    process.suspend()
    try:
        yield
    finally:
        process.resume()


@pytest.fixture
async def here(own_stack: Stack, own_settings: Settings, tmp_path: Path) -> AsyncIterator[Backends]:
    """`own_stack`, emptied, with a bucket and a Mongo database of the test's own."""
    own_stack.revive()
    own = uuid.uuid4().hex
    changed = {
        "mongo_url": with_database(own_settings.mongo_url.get_secret_value(), f"imts_{own}"),
        "telemetry_spill_dir": tmp_path / "wal",
        "storage_bucket": f"imts-{own}",
    }
    settings = Settings.model_validate({**own_settings.model_dump(exclude_unset=True), **changed})
    sql = await asyncpg.connect(settings.direct_database_url)
    await empty_tables(sql)
    await sql.close()
    database, store = Database(settings), ObjectStore(settings)
    yield Backends(settings, database, store, sql)
    own_stack.revive()
    await store.close()
    await database.close()


@asynccontextmanager
async def soaking(here: Backends, log: Path) -> AsyncIterator[Soak]:
    """Serve with several workers, to accounts that have some images."""
    with service_process(here.settings, "--workers", str(WORKERS), log=log) as process:
        users = [
            await add_account(process.url, here.settings, here.database, f"{number}@example.com", is_admin=number == 0)
            for number in range(CLIENTS)
        ]
        async with AsyncExitStack() as stack:
            for user in users:
                stack.push_async_callback(user.client.aclose)
            soak = Soak(process, users, random.Random(random.getrandbits(32)))
            await soak.until_healed()
            while len(soak.images) < IMAGES_AT_FIRST:
                await soak.upload(users[0])
            soak.awake.set()
            yield soak


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kills", [False, True], ids=["servers", "servers and workers"])
async def test_the_service_recovers_from_random_faults(
    own_stack: Stack, here: Backends, tmp_path: Path, *, kills: bool
) -> None:
    log = tmp_path / "log"
    async with soaking(here, log) as soak:
        until = time.monotonic() + SECONDS
        async with asyncio.TaskGroup() as group:
            group.create_task(disturb(soak, own_stack, until, kills=kills))
            for user in soak.users:
                group.create_task(soak.use(user, until))
        await soak.until_healed()
        sql = await asyncpg.connect(here.settings.direct_database_url)
        try:
            await replace(here, sql=sql).check(soak.users[0].client, soak.acknowledged, thumbnails=True)
        finally:
            await sql.close()
        check_records(soak, here.settings.mongo_url.get_secret_value(), kills=kills)
    assert soak.faulty_responses == []
    assert "Traceback" not in log.read_text()


def check_records(soak: Soak, mongo_url: str, *, kills: bool) -> None:
    """Every request that was answered was recorded, once; but a worker that is killed takes its last flush along."""
    recorded = Counter(request_ids(mongo_url))
    assert [one for one, count in recorded.items() if count > 1] == []
    missing = [one for one, status in soak.statuses.items() if status is not None and one not in recorded]
    assert missing == [] or kills
    assert metrics_count(mongo_url) >= recorded.total()
