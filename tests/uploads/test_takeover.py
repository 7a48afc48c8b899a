"""Two requests for one upload, broken connections and quotas."""

import asyncio
import hashlib

import asyncpg
import httpx
import pytest

from app.core.settings import Settings
from app.storage.chunks import PART_BYTES
from app.storage.object_store import ObjectStore
from app.uploads.appending import active_appends, part_uploader
from tests.images.files import noise_png
from tests.support.accounts import Account
from tests.support.photos import png
from tests.support.raw_http import raw_connection
from tests.support.server import running_service
from tests.uploads.clients import TUS, TusClient, begin_append, checksum, wait_until_appending


@pytest.fixture
def tus(user: Account) -> TusClient:
    return TusClient(user)


@pytest.fixture(autouse=True)
async def _empty_bucket(empty_bucket: ObjectStore) -> None:
    """Each test sees only its own objects."""


async def test_bytes_before_a_broken_connection_are_kept(user: Account, tus: TusClient) -> None:
    body = noise_png(PART_BYTES + 2_000_000)
    url = (await tus.create(len(body))).headers["Location"]
    async with raw_connection(str(user.client.base_url)) as connection:
        await begin_append(connection, user, url, body, sent=PART_BYTES + 1_000_000)
        await asyncio.sleep(0.5)
    offset = await tus.offset(url)
    assert offset == PART_BYTES + 1_000_000
    last = await tus.append(url, offset, body[offset:])
    image = (await user.client.get(last.headers["Content-Location"])).json()
    assert image["sha256"] == hashlib.sha256(body).hexdigest()


async def test_a_request_for_the_offset_ends_the_append_and_keeps_its_bytes(
    user: Account, tus: TusClient, sql: asyncpg.Connection
) -> None:
    body = noise_png(200_000)
    url = (await tus.create(len(body))).headers["Location"]
    async with raw_connection(str(user.client.base_url)) as connection:
        await begin_append(connection, user, url, body, sent=100_000)
        await wait_until_appending(url, sql)
        assert await tus.offset(url) == 100_000
        response = await connection.read_response()
        assert (response.status, response.json()["type"]) == (409, "/problems/append-superseded")
    assert (await tus.append(url, 100_000, body[100_000:])).status_code == 204


async def test_the_later_of_two_appends_wins(user: Account, tus: TusClient, sql: asyncpg.Connection) -> None:
    body, other = noise_png(200_000), noise_png(200_000)
    url = (await tus.create(len(body))).headers["Location"]
    async with raw_connection(str(user.client.base_url)) as connection:
        await begin_append(connection, user, url, other, sent=100_000)
        await wait_until_appending(url, sql)
        last = await tus.append(url, 0, body)
        assert last.status_code == 204, last.text
        assert (await connection.read_response()).status == 409
    image = (await user.client.get(last.headers["Content-Location"])).json()
    assert image["sha256"] == hashlib.sha256(body).hexdigest()


async def test_a_writer_of_another_worker_hands_over(
    tus: TusClient, sql: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row of a worker that was killed has a writer that never responds."""
    monkeypatch.setattr(active_appends, "HANDOVER_SECONDS", 0.3)
    body = png()
    url = (await tus.create(len(body))).headers["Location"]
    upload_id = url.rpartition("/")[2]
    await sql.execute("UPDATE uploads SET writer = gen_random_uuid() WHERE id = $1", upload_id)
    assert await tus.offset(url) == 0
    assert await sql.fetchval("SELECT writer FROM uploads WHERE id = $1", upload_id) is None
    assert (await tus.append(url, 0, body)).status_code == 204


async def test_a_part_that_was_cut_leaves_its_number_unused(
    user: Account, tus: TusClient, sql: asyncpg.Connection
) -> None:
    """The store may get a part late, after the next request has stored its own."""
    body = noise_png(3 * PART_BYTES)
    url = (await tus.create(len(body))).headers["Location"]
    await tus.append(url, 0, body[: PART_BYTES + 1], Upload_Checksum=checksum(b"other"))
    assert await tus.offset(url) == 0
    last = await tus.append(url, 0, body)
    assert last.status_code == 204, last.text
    image = (await user.client.get(last.headers["Content-Location"])).json()
    assert image["sha256"] == hashlib.sha256(body).hexdigest()
    assert await sql.fetchval("SELECT next_part_number FROM uploads") > 4


async def test_an_append_that_waits_for_its_client_holds_no_connection(
    user: Account, settings: Settings, sql: asyncpg.Connection
) -> None:
    narrow = {"database_pool_size": 1, "database_max_overflow": 0}
    async with (
        running_service(settings.model_copy(update=narrow)) as service,
        raw_connection(service.url) as connection,
        httpx.AsyncClient(base_url=service.url, headers=user.client.headers) as http,
    ):
        made = await http.post("/v1/uploads", headers={**TUS, "Upload-Length": "1000"})
        url = made.headers["Location"]
        await begin_append(connection, user, url, bytes(1000), sent=1)
        await wait_until_appending(url, sql)
        assert (await http.get("/v1/users/me")).status_code == 200
        assert (await http.delete(url, headers=TUS)).status_code == 204


async def test_many_appends_at_once_never_mix_bytes(user: Account, tus: TusClient) -> None:
    body = noise_png(300_000)
    url = (await tus.create(len(body))).headers["Location"]
    responses = await asyncio.gather(*(tus.append(url, 0, body) for _ in range(8)), return_exceptions=True)
    statuses = [one.status_code for one in responses if isinstance(one, httpx.Response)]
    assert 204 in statuses
    assert set(statuses) <= {204, 409}
    (image,) = (await user.client.get("/v1/images")).json()["items"]
    assert image["sha256"] == hashlib.sha256(body).hexdigest()


async def test_uploads_of_other_accounts_do_not_exist(user: Account, tus: TusClient, admin: Account) -> None:
    url = (await tus.create(10)).headers["Location"]
    other = TusClient(admin)
    assert (await other.head(url)).status_code == 404
    assert (await other.append(url, 0, b"x")).status_code == 404
    assert (await other.cancel(url)).status_code == 404
    assert (await admin.client.get("/v1/uploads")).json()["items"] == []
    anonymous = await user.client.post("/v1/uploads", headers={**TUS, "Upload-Length": "1", "Authorization": ""})
    assert anonymous.status_code == 401


async def test_small_appends_are_collected_into_parts(
    user: Account, tus: TusClient, sql: asyncpg.Connection, object_store: ObjectStore
) -> None:
    body = noise_png(PART_BYTES + 400_000)
    url = (await tus.create(len(body))).headers["Location"]
    step = 700_000
    for start in range(0, len(body) - step, step):
        assert (await tus.append(url, start, body[start : start + step])).status_code == 204
    parts = await sql.fetch("SELECT size, part_number FROM upload_parts ORDER BY start")
    assert [row["part_number"] for row in parts][:1] == [1]
    start += step
    last = await tus.append(url, start, body[start:])
    image = (await user.client.get(last.headers["Content-Location"])).json()
    assert image["sha256"] == hashlib.sha256(body).hexdigest()
    assert await sql.fetchval("SELECT count(*) FROM upload_parts") == 0
    assert not await object_store.list_uploads()


async def test_very_many_small_appends_are_joined(
    user: Account, tus: TusClient, sql: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part_uploader, "MAX_TAIL_OBJECTS", 8)
    body = png()
    url = (await tus.create(len(body))).headers["Location"]
    count = 8 + 3
    for start in range(count):
        assert (await tus.append(url, start, body[start : start + 1])).status_code == 204
    assert await sql.fetchval("SELECT count(*) FROM upload_parts") <= 8
    last = await tus.append(url, count, body[count:])
    content = await user.client.get(f"{last.headers['Content-Location']}/content")
    assert content.content == body


async def test_a_complete_upload_accepts_no_bytes(user: Account, tus: TusClient) -> None:
    body = png()
    url = (await tus.create(len(body), body)).headers["Location"]
    assert (await tus.append(url, len(body), b"x")).status_code == 413
    assert (await tus.append(url, 0, body)).status_code == 409
    again = await tus.append(url, len(body), b"")
    assert (again.status_code, again.headers["Upload-Offset"]) == (204, str(len(body)))
    assert await tus.offset(url) == len(body)
    assert len((await user.client.get("/v1/images")).json()["items"]) == 1


async def test_a_cancelled_upload_leaves_nothing(
    tus: TusClient, sql: asyncpg.Connection, object_store: ObjectStore
) -> None:
    url = (await tus.create(3 * PART_BYTES)).headers["Location"]
    await tus.append(url, 0, bytes(0) + noise_png(PART_BYTES + 1000))
    await tus.cancel(url)
    assert await sql.fetchval("SELECT count(*) FROM orphaned_objects") == 0
    assert not [one async for one in object_store.list_objects()]
    assert not await object_store.list_uploads()


async def test_an_upload_reserves_its_length_of_the_quota(
    user: Account, tus: TusClient, admin: Account, sql: asyncpg.Connection
) -> None:
    await admin.client.patch(f"/v1/users/{user.id}", json={"quota_bytes": 1_000_000})
    url = (await tus.create(900_000)).headers["Location"]
    assert (await user.client.get("/v1/users/me/usage")).json()["uploading_bytes"] == 900_000
    refused = await tus.create(200_000)
    assert (refused.status_code, refused.json()["type"]) == (413, "/problems/storage-quota-exceeded")
    await tus.cancel(url)
    assert (await user.client.get("/v1/users/me/usage")).json()["uploading_bytes"] == 0
    body = noise_png(900_000)
    unknown = (await tus.create(None)).headers["Location"]
    assert (await tus.append(unknown, 0, body[:800_000])).status_code == 204
    over = await tus.append(unknown, 800_000, bytes(300_000))
    assert over.status_code == 413
    assert (await tus.head(unknown)).status_code == 410
    assert await sql.fetchval("SELECT count(*) FROM orphaned_objects") == 0


async def test_discarded_parts_count_against_the_quota(
    user: Account, tus: TusClient, admin: Account, object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part_uploader, "FREE_DISCARDED_PARTS", 1)
    await admin.client.patch(f"/v1/users/{user.id}", json={"quota_bytes": 2 * PART_BYTES + 1})
    body = noise_png(PART_BYTES + 1000)
    url = (await tus.create(len(body))).headers["Location"]
    wrong = {"Upload_Checksum": checksum(b"other bytes")}
    for _ in range(3):
        assert (await tus.append(url, 0, body, **wrong)).status_code == 460
    refused = await tus.append(url, 0, body, **wrong)
    assert (refused.status_code, refused.json()["type"]) == (413, "/problems/storage-quota-exceeded")
    assert (await tus.head(url)).status_code == 410
    assert not await object_store.list_uploads()


async def test_an_upload_ends_with_the_part_numbers(
    tus: TusClient, object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part_uploader, "MAX_PART_NUMBER", 2)
    body = noise_png(PART_BYTES + 1000)
    url = (await tus.create(len(body))).headers["Location"]
    for status in (460, 460, 410):
        assert (await tus.append(url, 0, body, Upload_Checksum=checksum(b"other bytes"))).status_code == status
    assert (await tus.head(url)).status_code == 410
    assert not await object_store.list_uploads()


async def test_deleting_the_account_deletes_its_uploads(user: Account, tus: TusClient, sql: asyncpg.Connection) -> None:
    url = (await tus.create(1000)).headers["Location"]
    await tus.append(url, 0, png()[:100])
    assert (await user.client.delete("/v1/users/me")).status_code == 204
    assert await sql.fetchval("SELECT state FROM uploads") == "cancelled"
    assert await sql.fetchval("SELECT count(*) FROM orphaned_objects WHERE orphaned_at = 'infinity'") == 0
