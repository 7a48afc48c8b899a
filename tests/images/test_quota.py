"""Storage quotas: exact, also when uploads race, are cut off or are deleted, and free for others."""

import asyncio
import io
import os
import random
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import httpx
import pytest
from PIL import Image

from app.core.settings import Settings
from app.db.database import Database
from app.images.upload.usage_compaction import StorageUsageCompactor
from app.images.upload.usage_repository import UsageRepository
from app.storage.object_store import ObjectStore
from tests.support.accounts import Account
from tests.support.photos import png
from tests.support.server import running_service

pytestmark = pytest.mark.integration

LARGE = 1500  # pixels square, 6.75 MB: two parts
PHOTO = png()


def slug(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["type"].removeprefix("/problems/")


def large_png() -> bytes:
    image = Image.frombytes("RGB", (LARGE, LARGE), os.urandom(LARGE * LARGE * 3))
    image.save(file := io.BytesIO(), "PNG", compress_level=0)
    return file.getvalue()


async def upload(account: Account, name: str, content: bytes | None = None, **options: object) -> httpx.Response:
    files = {"image": (name, content or PHOTO, "image/png")}
    return await account.client.post("/v1/images", files=files, timeout=60, **options)  # type: ignore[arg-type]


async def usage(account: Account) -> dict[str, int | None]:
    response = await account.client.get("/v1/users/me/usage")
    assert response.status_code == 200, response.text
    read: dict[str, int | None] = response.json()
    return read


async def set_quota(admin: Account, account: Account, quota: int | None) -> None:
    response = await admin.client.patch(f"/v1/users/{account.id}", json={"quota_bytes": quota})
    assert response.status_code == 200, response.text


async def test_f57_of_sixteen_uploads_that_race_as_many_as_fit_are_stored(
    admin: Account, user: Account, sql: asyncpg.Connection, empty_bucket: ObjectStore
) -> None:
    size = len(PHOTO)
    await set_quota(admin, user, 5 * size + size // 2)
    responses = await asyncio.gather(*(upload(user, f"{number}.png") for number in range(16)))
    assert sorted(one.status_code for one in responses) == [201] * 5 + [413] * 11
    assert {slug(one) for one in responses if one.is_error} == {(413, "storage-quota-exceeded")}
    read = await usage(user)
    assert read == {
        "images": 5,
        "bytes": 5 * size,
        "quota_bytes": 5 * size + size // 2,
        "trashed_images": 0,
        "trashed_bytes": 0,
        "uploading_bytes": 0,
    }
    assert len([one async for one in empty_bucket.list_objects()]) == 5
    assert await sql.fetchval("SELECT count(*) FROM orphaned_objects WHERE reserved_bytes IS NOT NULL") == 0
    # A permanently deleted image releases its bytes.
    stored = next(one for one in responses if one.is_success)
    assert slug(await upload(user, "more.png")) == (413, "storage-quota-exceeded")
    assert (await user.client.delete(stored.json()["links"]["self"], params={"permanent": "true"})).status_code == 204
    assert (await upload(user, "more.png")).status_code == 201
    assert (await usage(user))["bytes"] == 5 * size


async def test_f57_a_file_that_fits_exactly_is_stored_and_a_byte_more_is_not(
    admin: Account, user: Account, make_account: Callable[..., Awaitable[Account]]
) -> None:
    size = len(PHOTO)
    await set_quota(admin, user, size - 1)
    refused = await upload(user, "one.png")
    assert slug(refused) == (413, "storage-quota-exceeded")
    assert (refused.json()["quota_bytes"], refused.json()["available_bytes"]) == (size - 1, size - 1)
    await set_quota(admin, user, size)
    assert (await upload(user, "one.png")).status_code == 201
    assert slug(await upload(user, "two.png")) == (413, "storage-quota-exceeded")
    assert (await upload(await make_account(), "two.png")).status_code == 201
    await set_quota(admin, user, 0)
    assert (await user.client.get("/v1/users/me")).status_code == 200
    assert slug(await upload(user, "three.png")) == (413, "storage-quota-exceeded")
    await set_quota(admin, user, None)
    assert (await upload(user, "three.png")).status_code == 201


async def test_f57_a_large_file_beyond_the_quota_stores_nothing(
    admin: Account, user: Account, sql: asyncpg.Connection, empty_bucket: ObjectStore
) -> None:
    content = large_png()
    await set_quota(admin, user, len(content) - 1)
    assert slug(await upload(user, "large.png", content)) == (413, "storage-quota-exceeded")
    assert [one.key async for one in empty_bucket.list_objects()] == []
    assert list(await empty_bucket.list_uploads()) == []
    assert await sql.fetchval("SELECT count(*) FROM orphaned_objects") == 0
    await set_quota(admin, user, len(content))
    assert (await upload(user, "large.png", content)).status_code == 201
    read = await usage(user)
    assert (read["bytes"], read["uploading_bytes"]) == (len(content), 0)


@pytest.mark.parametrize("quota", [None, 50_000_000])
async def test_f57_an_upload_in_progress_counts_until_it_ends(
    admin: Account, user: Account, quota: int | None, settings: Settings
) -> None:
    await set_quota(admin, user, quota)
    content, arrived, goes_on = large_png(), asyncio.Event(), asyncio.Event()
    head = b'--b\r\nContent-Disposition: form-data; name="image"; filename="large.png"\r\n\r\n'

    async def body() -> AsyncIterator[bytes]:
        yield head + content[: 6 * 1024 * 1024]
        arrived.set()
        await goes_on.wait()
        yield content[6 * 1024 * 1024 :] + b"\r\n--b--\r\n"

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    posted = asyncio.create_task(user.client.post("/v1/images", content=body(), headers=headers, timeout=60))
    await arrived.wait()
    async with asyncio.timeout(30):
        while not (uploading := (await usage(user))["uploading_bytes"]):
            await asyncio.sleep(0.05)
    assert uploading >= 5 * 1024 * 1024
    assert (await usage(user))["images"] == 0
    goes_on.set()
    assert (await posted).status_code == 201
    read = await usage(user)
    assert (read["images"], read["bytes"], read["uploading_bytes"]) == (1, len(content), 0)
    assert settings.max_bytes_per_user is None


async def test_f57_the_default_quota_applies_unless_an_account_has_its_own(
    admin: Account, user: Account, settings: Settings
) -> None:
    size = len(PHOTO)
    limited = settings.model_copy(update={"max_bytes_per_user": size})
    async with running_service(limited) as service:
        headers = {"Authorization": f"Bearer {user.access_token}"}
        async with httpx.AsyncClient(base_url=service.url, headers=headers, timeout=60) as client:

            async def post(name: str) -> httpx.Response:
                return await client.post("/v1/images", files={"image": (name, PHOTO, "image/png")})

            assert (await post("one.png")).status_code == 201
            assert (await client.get("/v1/users/me/usage")).json()["quota_bytes"] == size
            assert slug(await post("two.png")) == (413, "storage-quota-exceeded")
            await set_quota(admin, user, 2 * size)
            assert (await post("two.png")).status_code == 201
            assert slug(await post("three.png")) == (413, "storage-quota-exceeded")


async def test_f57_refused_and_repeated_uploads_take_nothing(user: Account, admin: Account) -> None:
    size = len(PHOTO)
    await set_quota(admin, user, 2 * size)
    key = {"Idempotency-Key": "once"}
    for _ in range(2):
        assert (await upload(user, "one.png", headers=key)).status_code == 201
    assert slug(await upload(user, "one.png")) == (409, "name-taken")
    assert (await upload(user, "two.png", PHOTO[:-20])).status_code == 422
    read = await usage(user)
    assert (read["images"], read["bytes"], read["uploading_bytes"]) == (1, size, 0)


async def test_f57_usage_is_exact_after_every_change_folded_or_not(
    sql: asyncpg.Connection, database: Database, make_account: Callable[..., Awaitable[Account]]
) -> None:
    owners = [(await make_account()).id for _ in range(3)]
    choice, folder = random.Random(7), StorageUsageCompactor(database)
    add = (
        "INSERT INTO images (id, name, storage_key, content_type, size, width, height, sha256, uploaded_by) "
        "SELECT gen_random_uuid(), n, n, 'image/png', $2, 1, 1, sha256(''), $3 FROM unnest($1::varchar[]) n"
    )
    some = "id IN (SELECT id FROM images ORDER BY md5(id::text || $1) LIMIT 3)"
    for step in range(60):
        seed = str(step)
        owner = choice.choice([*owners, None])
        match choice.randrange(5):
            case 0 | 1:
                await sql.execute(add, [uuid.uuid4().hex for _ in range(4)], choice.randrange(1, 10**12), owner)
            case 2:
                await sql.execute(f"DELETE FROM images WHERE {some}", seed)  # noqa: S608
            case 3:
                await sql.execute(f"UPDATE images SET uploaded_by = $2 WHERE {some}", seed, owner)  # noqa: S608
            case 4:
                await folder.compact()
        for one in owners:
            async with database.read_session() as session:
                counted = await UsageRepository(session).get(one)
            row = await sql.fetchrow("SELECT count(*), coalesce(sum(size), 0) FROM images WHERE uploaded_by = $1", one)
            assert (counted.images, counted.bytes) == tuple(row)
    await sql.execute("DELETE FROM users")
    await folder.compact()
    assert await sql.fetchval("SELECT count(*) FROM storage_usage") == 0
