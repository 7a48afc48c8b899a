"""Clients that go away, that trickle, that want everything at once."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import httpx
import psutil
import pytest

from app.core.settings import Settings
from app.http.request_queues import PARTS_AN_UPLOAD
from app.storage.chunks import PART_BYTES
from app.storage.object_store import ObjectStore
from tests.faults.conftest import Behind
from tests.images.files import noise_png
from tests.support.accounts import Account
from tests.support.memory import Peak, tree_memory
from tests.support.photos import png
from tests.support.processes import service_process
from tests.support.raw_http import bearer, file_part, raw_connection
from tests.support.server import RunningService

logger = logging.getLogger(__name__)

Check = Callable[[], Awaitable[None]]
MIB = 1024 * 1024


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99, 1.0])
async def test_a_disconnected_client_leaves_nothing(
    service: RunningService, behind: Behind, user: Account, sql: asyncpg.Connection, invariants: Check, share: float
) -> None:
    assert behind
    await user.client.get("/v1/images")
    process = psutil.Process()
    base = process.num_fds(), len(asyncio.all_tasks())
    body = file_part("a.png") + noise_png(2 * PART_BYTES) + b"\r\n--b--\r\n"
    async with raw_connection(service.url) as connection:
        await connection.begin("POST", "/v1/images", bearer(user, Content_Length=str(len(body))))
        await connection.send(body[: int(len(body) * share)])
    async with asyncio.timeout(20):
        # The connections that the pools of the service keep may be a few more than before.
        while process.num_fds() > base[0] + 6 or len(asyncio.all_tasks()) > base[1]:
            await asyncio.sleep(0.05)
    if share < 1:
        async with asyncio.timeout(30):
            while await sql.fetchval("SELECT count(*) FROM orphaned_objects"):
                await asyncio.sleep(0.05)
        assert (await user.client.post("/v1/images", files={"image": ("a.png", png())})).status_code == 201
    await invariants()


async def test_a_disconnected_reader_ends_the_read(service: RunningService, behind: Behind, user: Account) -> None:
    assert behind
    made = await user.client.post("/v1/images", files={"image": ("a.png", noise_png(60 * MIB))}, timeout=60)
    links = made.json()["links"]
    tasks = len(asyncio.all_tasks())
    for _ in range(5):
        async with raw_connection(service.url) as connection:
            await connection.begin("GET", links["content"], {})
            await connection.reader.readexactly(1000)
    async with asyncio.timeout(30):
        while len(asyncio.all_tasks()) > tasks:
            await asyncio.sleep(0.05)


@pytest.mark.slow
async def test_five_hundred_slow_clients_do_not_delay_others(
    settings: Settings, sql: asyncpg.Connection, user: Account
) -> None:
    assert sql
    # One account sends all uploads at once: by default, most of them would be 429.
    memory = 500 * PARTS_AN_UPLOAD * PART_BYTES
    admitting = settings.model_copy(update={"upload_concurrency_per_client": 500, "upload_memory_bytes": memory})
    with service_process(admitting) as service:
        url = service.url
        base = await p99(url)
        durations: list[float] = []
        started = time.monotonic()

        async def trickle(number: int) -> None:
            # Not all within one moment: that many sign-ins at once are 503 for some, by the bound of the pool.
            await asyncio.sleep(number / 150)
            async with raw_connection(url) as connection:
                await connection.begin("POST", "/v1/images", bearer(user, Content_Length="1000000"))
                await connection.send(file_part(f"{number}.png") + png()[:30])
                response = asyncio.create_task(connection.read_response())
                while not response.done():
                    await connection.send(b"x")
                    await asyncio.wait([response], timeout=1)
                assert response.result().status == 408
                durations.append(time.monotonic() - started)

        tricklers = [asyncio.create_task(trickle(number)) for number in range(500)]
        await asyncio.sleep(5)
        meanwhile = await p99(url)
        await asyncio.gather(*tricklers)
    # They trickle from this process, which measures as well.
    logger.info("p99 of a read: %.1f ms alone, %.1f ms beside 500 slow uploads", base * 1000, meanwhile * 1000)
    assert meanwhile < 2 * base + 0.05
    assert max(durations) < 40


@pytest.mark.slow
# Two gigabytes go through the service.
@pytest.mark.timeout(600)
async def test_memory_stays_flat(
    settings: Settings, sql: asyncpg.Connection, user: Account, object_store: ObjectStore
) -> None:
    assert sql
    limits = {"max_upload_bytes": 2_000 * MIB, "upload_concurrency_per_client": 10}
    roomy = settings.model_copy(update=limits)
    with service_process(roomy) as service:
        url, process = service.url, service.process
        await user.client.post(f"{url}/v1/images", files={"image": ("warm.png", noise_png(6 * MIB))})
        idle = tree_memory(process)
        async with Peak(process) as uploads:
            responses = await asyncio.gather(*(send(url, user, f"{number}.png", 100 * MIB) for number in range(10)))
        assert {response.status_code for response in responses} == {201}
        big = await send(url, user, "big.png", 1024 * MIB)
        assert big.status_code == 201, big.text
        before = process.memory_info().rss
        async with (
            Peak(process) as download,
            user.client.stream("GET", f"{url}{big.json()['links']['content']}") as response,
        ):
            size = sum([len(piece) async for piece in response.aiter_bytes(MIB)])
        assert size > 1024 * MIB
    used = (uploads.tree - idle) // MIB, (download.own - before) // MIB
    logger.info("ten uploads of 100 MB: %d MiB above idle; a download of 1 GB: %d MiB", *used)
    assert used[0] < 200, used
    assert used[1] < 32, used
    await object_store.remove([one.key async for one in object_store.list_objects()])


async def send(url: str, user: Account, name: str, size: int) -> httpx.Response:
    """Upload an image of `size` bytes without ever holding them in memory."""
    picture = noise_png(MIB)

    async def body() -> AsyncIterator[bytes]:
        yield file_part(name) + picture
        for _ in range(size // MIB):
            yield bytes(MIB)
        yield b"\r\n--b--\r\n"

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    return await user.client.post(f"{url}/v1/images", content=body(), headers=headers, timeout=300)


async def p99(url: str) -> float:
    """Return the 99th percentile of a simple read, in seconds."""
    times = []
    async with httpx.AsyncClient(base_url=url) as client:
        for _ in range(300):
            started = time.perf_counter()
            assert (await client.get("/v1/images")).status_code == 200
            times.append(time.perf_counter() - started)
    return sorted(times)[int(len(times) * 0.99)]
