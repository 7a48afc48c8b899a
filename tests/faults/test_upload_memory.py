"""The memory of the worker during large and slow resumable uploads. `-rP` shows the figures."""

import asyncio
import hashlib
import logging
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace

import asyncpg
import httpx
import pytest

from app.core.settings import Settings
from app.storage.chunks import PART_BYTES
from app.storage.object_store import ObjectStore
from tests.images.files import noise_png
from tests.support.accounts import Account
from tests.support.memory import Peak
from tests.support.processes import service_process
from tests.support.raw_http import raw_connection
from tests.uploads.clients import OFFSET_STREAM, TUS, TusClient

logger = logging.getLogger(__name__)

MIB = 1024 * 1024
FILE_BYTES = 2048 * MIB
MAX_GROWTH = 32 * MIB
UPLOADS = 200
TRICKLE_SECONDS = 20

pytestmark = pytest.mark.slow


# Two gigabytes go through the service, and twice through the object store.
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("appends", [1, 8])
async def test_the_memory_of_a_resumable_upload_of_two_gigabytes(
    settings: Settings, sql: asyncpg.Connection, user: Account, object_store: ObjectStore, appends: int
) -> None:
    assert sql
    picture = noise_png(MIB)
    padding = bytes(MIB)
    digest = hashlib.sha256(picture)
    digest.update(bytes(FILE_BYTES - len(picture)))

    async def body(start: int, size: int) -> AsyncIterator[bytes]:
        if start == 0:
            yield picture
            start = len(picture)
            size -= start
        for sent in range(0, size, MIB):
            yield padding[: size - sent]

    with service_process(settings.model_copy(update={"max_upload_bytes": FILE_BYTES})) as service:
        async with httpx.AsyncClient(base_url=service.url, headers=user.client.headers, timeout=900) as client:
            tus = TusClient(replace(user, client=client))
            first = noise_png(MIB)
            assert (await tus.create(len(first), first)).status_code == 201
            before = service.resident_bytes()
            async with Peak(service.process) as peak:
                url = (await tus.create(FILE_BYTES)).headers["Location"]
                size = FILE_BYTES // appends
                for start in range(0, FILE_BYTES, size):
                    fields = {**TUS, "Content-Type": OFFSET_STREAM, "Upload-Offset": str(start)}
                    last = await client.patch(url, headers=fields, content=body(start, size))
                    assert last.status_code == 204, last.text
            image = (await client.get(last.headers["Content-Location"])).json()
    assert (image["size"], image["sha256"]) == (FILE_BYTES, digest.hexdigest())
    await object_store.remove([one.key async for one in object_store.list_objects()])
    growth = peak.own - before
    logger.info("2 GiB in %d appends: %.1f MiB above %.1f MiB", appends, growth / MIB, before / MIB)
    assert growth < MAX_GROWTH


@pytest.mark.timeout(600)
async def test_the_memory_of_many_slow_uploads_is_the_budget(
    settings: Settings, sql: asyncpg.Connection, user: Account, empty_bucket: ObjectStore
) -> None:
    """Each upload sends almost a part at once, which the worker keeps, and then one byte each second."""
    assert sql
    assert empty_bucket
    # One account may use the whole budget.
    admitting = settings.model_copy(update={"upload_concurrency_per_client": UPLOADS})
    almost = noise_png(PART_BYTES)[: PART_BYTES - 1000]
    statuses: Counter[int] = Counter()
    with service_process(admitting) as service:
        async with httpx.AsyncClient(base_url=service.url, headers=user.client.headers, timeout=60) as client:
            tus = TusClient(replace(user, client=client))
            first = noise_png(MIB)
            assert (await tus.create(len(first), first)).status_code == 201
            urls = [(await tus.create(2 * PART_BYTES)).headers["Location"] for _ in range(UPLOADS)]

        async def trickle(url: str) -> None:
            token = {"Authorization": f"Bearer {user.access_token}", "Content-Length": str(2 * PART_BYTES)}
            fields = {**TUS, **token, "Content-Type": OFFSET_STREAM, "Upload-Offset": "0"}
            async with raw_connection(service.url) as connection:
                await connection.begin("PATCH", url, fields)
                response = asyncio.create_task(connection.read_response())
                sending = asyncio.create_task(connection.send(almost))
                await asyncio.wait([response, sending], return_when=asyncio.FIRST_COMPLETED)
                for _ in range(TRICKLE_SECONDS):
                    if response.done():
                        break
                    if sending.done():
                        await connection.send(b"x")
                    await asyncio.wait([response], timeout=1)
                statuses[response.result().status if response.done() else 0] += 1
                response.cancel()
                sending.cancel()

        before = service.resident_bytes()
        async with Peak(service.process) as peak:
            await asyncio.gather(*map(trickle, urls))
    growth = peak.own - before
    logger.info("%s: %.1f MiB above %.1f MiB", dict(statuses), growth / MIB, before / MIB)
    assert statuses[0] > 1
    assert set(statuses) <= {0, 429, 503}
    assert growth < admitting.upload_memory_bytes
