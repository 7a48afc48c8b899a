"""One upload by way of two workers, which share nothing but their backends."""

import hashlib
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
from tests.support.raw_http import RawConnection, raw_connection
from tests.support.server import RunningService, running_service
from tests.uploads.clients import TusClient, begin_append, checksum, problem, wait_until_appending

# Of the body, before the other worker takes over.
SENT = 100_000


@pytest.fixture(scope="module")
async def other_worker(settings: Settings) -> AsyncIterator[RunningService]:
    async with running_service(settings) as service:
        yield service


@pytest.fixture
def tus(user: Account) -> TusClient:
    return TusClient(user)


@pytest.fixture
async def other(user: Account, other_worker: RunningService) -> AsyncIterator[TusClient]:
    """The same account at the other worker."""
    async with httpx.AsyncClient(base_url=other_worker.url, headers=user.client.headers) as client:
        yield TusClient(replace(user, client=client))


@pytest.fixture
async def appending(user: Account, sql: asyncpg.Connection) -> AsyncIterator[RawConnection]:
    """A connection to the first worker."""
    assert sql
    async with raw_connection(str(user.client.base_url)) as connection:
        yield connection


async def test_each_worker_continues_where_the_other_has_ended(user: Account, tus: TusClient, other: TusClient) -> None:
    body = noise_png(2 * PART_BYTES)
    url = (await tus.create(len(body))).headers["Location"]
    ends = (PART_BYTES + 1000, PART_BYTES + 2000, 2 * PART_BYTES, len(body))
    offset = 0
    for number, end in enumerate(ends):
        writer, reader = (tus, other)[:: 1 if number % 2 else -1]
        last = await writer.append(url, offset, body[offset:end])
        assert last.status_code == 204, last.text
        assert await reader.offset(url) == end
        offset = end
    image = (await user.client.get(last.headers["Content-Location"])).json()
    assert image["sha256"] == hashlib.sha256(body).hexdigest()


async def test_an_append_at_another_worker_ends_the_earlier_one(
    user: Account, tus: TusClient, other: TusClient, appending: RawConnection, sql: asyncpg.Connection
) -> None:
    body, earlier = noise_png(2 * SENT), noise_png(2 * SENT)
    url = (await tus.create(len(body))).headers["Location"]
    await begin_append(appending, user, url, earlier, sent=SENT)
    await wait_until_appending(url, sql)
    first = await other.append(url, 0, body[:SENT])
    assert (first.status_code, first.headers["Upload-Offset"]) == (204, str(SENT))
    ended = await appending.read_response()
    assert (ended.status, ended.json()["type"]) == (409, "/problems/append-superseded")
    last = await tus.append(url, SENT, body[SENT:])
    image = (await user.client.get(last.headers["Content-Location"])).json()
    assert image["sha256"] == hashlib.sha256(body).hexdigest()


async def test_a_request_for_the_offset_at_another_worker_keeps_the_bytes(
    user: Account, tus: TusClient, other: TusClient, appending: RawConnection, sql: asyncpg.Connection
) -> None:
    body = noise_png(2 * SENT)
    url = (await tus.create(len(body))).headers["Location"]
    await begin_append(appending, user, url, body, sent=SENT)
    await wait_until_appending(url, sql)
    assert await other.offset(url) == SENT
    assert (await appending.read_response()).status == 409
    last = await other.append(url, SENT, body[SENT:])
    image = (await user.client.get(last.headers["Content-Location"])).json()
    assert image["sha256"] == hashlib.sha256(body).hexdigest()


async def test_a_cancellation_at_another_worker_ends_the_append(
    user: Account,
    tus: TusClient,
    other: TusClient,
    appending: RawConnection,
    sql: asyncpg.Connection,
    empty_bucket: ObjectStore,
) -> None:
    body = noise_png(2 * SENT)
    url = (await tus.create(len(body))).headers["Location"]
    await begin_append(appending, user, url, body, sent=SENT)
    await wait_until_appending(url, sql)
    assert (await other.cancel(url)).status_code == 204
    assert (await appending.read_response()).status == 409
    assert problem(await tus.append(url, 0, body)) == (410, "/problems/upload-ended")
    assert not [one async for one in empty_bucket.list_objects()]
    assert await sql.fetchval("SELECT count(*) FROM orphaned_objects") == 0


async def test_discarded_bytes_are_not_in_the_digest(user: Account, tus: TusClient, other: TusClient) -> None:
    """One worker discards 1000 bytes, and the other one stores others in their place."""
    body = noise_png(SENT)
    url = (await tus.create(len(body))).headers["Location"]
    damaged = body[:900] + bytes(100)
    assert (await tus.append(url, 0, damaged, Upload_Checksum=checksum(body[:1000]))).status_code == 460
    assert (await other.append(url, 0, body[:1000])).status_code == 204
    last = await tus.append(url, 1000, body[1000:])
    image = (await user.client.get(last.headers["Content-Location"])).json()
    assert image["sha256"] == hashlib.sha256(body).hexdigest()
