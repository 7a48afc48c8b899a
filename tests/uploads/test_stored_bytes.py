"""The objects of an upload: lost, completed by an earlier request, or begun and not needed any more."""

import asyncio
import hashlib
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest

from app.core.settings import Settings
from app.db.database import Database
from app.images.maintenance.orphan_sweeper import OrphanSweeper
from app.images.upload.storage_quota import Reservation
from app.storage.chunks import PART_BYTES
from app.storage.object_store import ObjectStore, StoredPart
from app.uploads.appending.part_uploader import PartUploader
from app.uploads.errors import AppendSuperseded
from app.uploads.repository import UploadRepository
from tests.images.files import noise_png
from tests.support.accounts import Account
from tests.support.raw_http import raw_connection
from tests.uploads.clients import HttpClient, TusClient, begin_append, checksum, problem, wait_until_appending

ENDED = (410, "/problems/upload-ended")
# The bytes of the first append: a part, and some that are in no part yet.
FIRST = PART_BYTES + 1000
SIZE = PART_BYTES + 300_000


@pytest.fixture
def tus(user: Account) -> TusClient:
    return TusClient(user)


@pytest.fixture(autouse=True)
async def _empty_bucket(empty_bucket: ObjectStore) -> None:
    """Each test sees only its own objects."""


async def complete_elsewhere(sql: asyncpg.Connection, object_store: ObjectStore, last: bytes) -> None:
    """Complete the object as a request does that is killed before its commit."""
    row = await sql.fetchrow("""
        SELECT uploads.storage_key, multipart_id, next_part_number, part_number, etag
        FROM uploads JOIN upload_parts ON upload_id = uploads.id WHERE part_number IS NOT NULL""")
    assert row is not None
    key, multipart_id = row["storage_key"], row["multipart_id"]
    part = await object_store.put_part(key, multipart_id, row["next_part_number"], [last])
    first = StoredPart(row["part_number"], row["etag"])
    await object_store.complete_multipart(key, multipart_id, [first, part], PART_BYTES + len(last))


async def test_the_object_of_a_request_that_was_killed_is_used(
    user: Account, tus: TusClient, sql: asyncpg.Connection, object_store: ObjectStore
) -> None:
    body = noise_png(SIZE)
    url = (await tus.create(len(body))).headers["Location"]
    await tus.append(url, 0, body[:FIRST])
    await complete_elsewhere(sql, object_store, body[PART_BYTES:])
    last = await tus.append(url, FIRST, body[FIRST:])
    assert last.status_code == 204, last.text
    image = (await user.client.get(last.headers["Content-Location"])).json()
    assert image["sha256"] == hashlib.sha256(body).hexdigest()


async def test_an_object_with_other_last_bytes_ends_the_upload(
    user: Account, tus: TusClient, sql: asyncpg.Connection, object_store: ObjectStore
) -> None:
    body = noise_png(SIZE)
    url = (await tus.create(len(body))).headers["Location"]
    await tus.append(url, 0, body[:FIRST])
    await complete_elsewhere(sql, object_store, bytes(len(body) - PART_BYTES))
    assert problem(await tus.append(url, FIRST, body[FIRST:])) == ENDED
    assert (await tus.head(url)).status_code == 410
    assert (await user.client.get("/v1/images")).json()["items"] == []
    assert not [one async for one in object_store.list_objects()]


async def test_an_upload_whose_parts_are_lost_ends(
    tus: TusClient, sql: asyncpg.Connection, object_store: ObjectStore
) -> None:
    body = noise_png(SIZE + PART_BYTES)
    url = (await tus.create(len(body))).headers["Location"]
    await tus.append(url, 0, body[:FIRST])
    row = await sql.fetchrow("SELECT storage_key, multipart_id FROM uploads")
    assert row is not None
    await object_store.abort(row["storage_key"], row["multipart_id"])
    assert problem(await tus.append(url, FIRST, body[FIRST:])) == ENDED
    assert (await tus.head(url)).status_code == 410
    assert not [one async for one in object_store.list_objects()]


async def test_an_append_that_is_refused_after_a_part_leaves_nothing(user: Account, object_store: ObjectStore) -> None:
    uploads = HttpClient(user)
    url = (await uploads.create(complete=False, length=SIZE)).headers["Location"]
    body = noise_png(SIZE)

    async def excess() -> AsyncIterator[bytes]:
        yield body
        yield bytes(1_000_000)

    assert (await uploads.append(url, 0, excess(), complete=False)).status_code == 400
    assert (await uploads.head(url)).status_code == 410
    assert await object_store.list_uploads() == []
    assert not [one async for one in object_store.list_objects()]


async def test_a_small_file_after_discarded_parts_leaves_no_multipart_upload(
    user: Account, object_store: ObjectStore
) -> None:
    uploads = HttpClient(user)
    url = (await uploads.create(complete=False)).headers["Location"]
    damaged = await uploads.append(url, 0, noise_png(SIZE), complete=False, Content_Digest="sha-256=:YQ==:")
    assert damaged.status_code == 400
    body = noise_png(10_000)
    image = (await uploads.append(url, 0, body, complete=True)).json()
    assert (await user.client.get(image["links"]["content"])).content == body
    assert await object_store.list_uploads() == []


async def test_bytes_whose_object_was_swept_before_the_commit_are_not_acknowledged(
    user: Account,
    tus: TusClient,
    sql: asyncpg.Connection,
    database: Database,
    object_store: ObjectStore,
    settings: Settings,
) -> None:
    body = noise_png(10_000)
    url = (await tus.create(len(body))).headers["Location"]
    async with raw_connection(str(user.client.base_url)) as connection:
        await begin_append(connection, user, url, body[:5000], sent=1000)
        await wait_until_appending(url, sql)
        async with sql.transaction():
            await sql.execute("SELECT FROM uploads FOR UPDATE")
            await connection.send(body[1000:5000])
            async with asyncio.timeout(10):
                while not [one async for one in object_store.list_objects()]:
                    await asyncio.sleep(0.02)
            assert (
                await OrphanSweeper(
                    database, object_store, settings.model_copy(update={"orphan_grace_seconds": -60})
                ).sweep()
                == 1
            )
        assert (await connection.read_response()).status == 503
    assert await tus.offset(url) == 0
    last = await tus.append(url, 0, body)
    assert (await user.client.get(f"{last.headers['Content-Location']}/content")).content == body


async def test_bytes_that_were_damaged_on_the_way_do_not_end_the_upload(tus: TusClient) -> None:
    body = noise_png(10_000)
    url = (await tus.create(len(body))).headers["Location"]
    damaged = bytes(100) + body[100:]
    assert (await tus.append(url, 0, damaged, Upload_Checksum=checksum(body))).status_code == 460
    assert await tus.offset(url) == 0
    refused = await tus.append(url, 0, damaged, Upload_Checksum=checksum(damaged))
    assert problem(refused) == (415, "/problems/unsupported-media-type")
    assert (await tus.head(url)).status_code == 410


async def test_a_multipart_upload_that_a_later_request_superseded_is_aborted(
    tus: TusClient, database: Database, object_store: ObjectStore, settings: Settings
) -> None:
    url = (await tus.create(SIZE)).headers["Location"]
    async with database.read_session() as session:
        upload = await UploadRepository(session).find(uuid.UUID(url.rpartition("/")[2]))
    assert upload is not None
    reservation = Reservation.resume(database, settings, None, upload.storage_key, 0)
    earlier = PartUploader(
        database, object_store, upload, uuid.uuid4(), reservation, timedelta(hours=1), defers_offset=False
    )

    async def body() -> AsyncIterator[bytes]:
        yield bytes(SIZE)

    with pytest.raises(AppendSuperseded):
        await earlier.write(body())
    assert await object_store.list_uploads() == []
    assert await tus.offset(url) == 0
