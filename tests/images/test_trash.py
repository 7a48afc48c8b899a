"""The trash: deletion, the list, restoration and the purge."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from app.audit.audit_log import SERVICE, AuditLog
from app.core.settings import Settings
from app.db.database import Database
from app.images.maintenance.consistency_check import ConsistencyCheck
from app.images.maintenance.orphan_sweeper import OrphanSweeper
from app.images.trash.purge import TrashPurge
from app.models import Image, TrashedImage
from app.search.bitmap_index.maintenance import BitmapIndexUpdater
from app.storage.object_store import ObjectStore
from tests.audit.trail import Event, read_events
from tests.support.accounts import Account
from tests.support.photos import png
from tests.support.server import running_service
from tests.tags.helpers import assert_consistent, read, upload

MakeAccount = Callable[..., Awaitable[Account]]


def slug(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["type"].removeprefix("/problems/")


async def store(account: Account, name: str, *tags: str, **form: str) -> dict[str, Any]:
    files = {"image": (name, png(), "image/png")}
    response = await account.client.post("/v1/images", files=files, data={"tags": list(tags), **form})
    assert response.status_code == 201, response.text
    body: dict[str, Any] = response.json()
    # Only the response to an upload has these.
    del body["duplicates"], body["similar"]
    return body


async def trash(account: Account, image: dict[str, Any]) -> str:
    """Move the image to the trash and return its path there."""
    assert (await account.client.delete(image["links"]["self"])).status_code == 204
    return f"/v1/trash/{image['id']}"


async def restore(account: Account, path: str, **body: str) -> httpx.Response:
    return await account.client.post(f"{path}/restore", json=body or None)


def test_the_trash_has_every_column_of_an_image() -> None:
    computed = {"tag_ids", "pixels", "tag_count"}
    own = {"trashed_at", "trashed_by", "batch"}
    assert set(TrashedImage.__table__.columns.keys()) == set(Image.__table__.columns.keys()) - computed | own


async def test_a_restored_image_is_the_one_that_was_deleted(
    user: Account, admin: Account, sql: asyncpg.Connection, database: Database
) -> None:
    await admin.client.post("/v1/tags", json={"names": ["cat"]})
    await admin.client.post("/v1/tags", json={"names": ["pet"]})
    await admin.client.put("/v1/tags/cat/implications", json={"implies": ["pet"]})
    image = await store(user, "a.png", "cat", "red")
    path, links = f"/v1/trash/{image['id']}", image["links"]
    thumbnail = await user.client.get(links["thumbnail"])
    url = (await read(user.client, f"{links['self']}/url"))["url"]
    etag = (await user.client.get(links["self"])).headers["etag"]
    tagged = await sql.fetch("SELECT * FROM tagged ORDER BY tag")
    bitmaps = BitmapIndexUpdater(database, 1)
    await store(user, "b.png")
    await bitmaps.update()
    ordinals = await sql.fetch("SELECT * FROM bitmap_ordinals ORDER BY ordinal")
    assert await trash(user, image) == path

    for link in links.values():
        assert slug(await user.client.get(link)) == (404, "image-not-found")
    assert (await read(user.client, "/v1/images", q="cat", count="exact"))["total"] == 0
    assert (await read(user.client, "/v1/tags/cat"))["images"] == 0
    assert (await user.client.post("/v1/images/lookup", json={"sha256": [image["sha256"]]})).json() == {"items": []}
    async with httpx.AsyncClient() as store_client:
        assert (await store_client.get(url)).status_code == 200
    (entry,) = (await read(user.client, "/v1/trash"))["items"]
    expiry = datetime.fromisoformat(entry["trashed_at"]) + timedelta(days=30)
    assert datetime.fromisoformat(entry["expires_at"]) == expiry
    assert {name: entry[name] for name in image} == image
    assert (entry["trashed_by"], entry["batch"]) == (str(user.id), None)
    await assert_consistent(admin.client, sql)
    await bitmaps.update()

    restored = await restore(user, path)
    assert (restored.status_code, restored.json()) == (200, image)
    again = await user.client.get(links["self"])
    assert (again.json(), again.headers["etag"]) == (image, etag)
    assert await sql.fetch("SELECT * FROM tagged ORDER BY tag") == tagged
    assert (await user.client.get(links["thumbnail"])).content == thumbnail.content
    assert (await read(user.client, "/v1/images", q="cat pet red", count="exact"))["total"] == 1
    assert slug(await restore(user, path)) == (404, "image-not-found")
    assert await sql.fetchval("SELECT count(*) FROM trashed_images") == 0
    await assert_consistent(admin.client, sql)
    await bitmaps.update()
    await assert_consistent(admin.client, sql)
    assert await sql.fetch("SELECT * FROM bitmap_ordinals ORDER BY ordinal") == ordinals
    assert (await user.client.delete(await trash(user, image))).status_code == 204
    await bitmaps.update()
    assert await sql.fetch("SELECT * FROM bitmap_ordinals ORDER BY ordinal") == ordinals[1:]


async def test_the_name_is_free_at_once_and_a_restore_can_take_another(user: Account) -> None:
    image = await store(user, "a.png")
    path = await trash(user, image)
    second = await store(user, "a.png")
    refused = await restore(user, path)
    assert (slug(refused), refused.json()["image"]) == ((409, "name-taken"), second["links"]["self"])
    assert slug(await restore(user, path, name="a/b")) == (422, "validation-error")
    assert (await restore(user, path, name="b.png")).json() == image | {"name": "b.png"}
    # Of two images with one name, one is restored.
    paths = [await trash(user, image), await trash(user, second)]
    race = await asyncio.gather(*(restore(user, one, name="c.png") for one in paths))
    assert sorted(one.status_code for one in race) == [200, 409]


async def test_a_hidden_image_that_took_the_name_is_not_disclosed(user: Account, make_account: MakeAccount) -> None:
    path = await trash(user, await store(user, "a.png"))
    await store(await make_account(), "a.png", visibility="private")
    refused = await restore(user, path)
    assert slug(refused) == (409, "name-taken")
    assert "image" not in refused.json()


async def test_the_trash_of_others_is_hidden_except_from_admins(
    user: Account, admin: Account, make_account: MakeAccount
) -> None:
    other = await make_account()
    image = await store(user, "a.png")
    path = await trash(admin, image)
    assert (await read(other.client, "/v1/trash"))["items"] == []
    for refused in (await restore(other, path), await other.client.delete(path)):
        assert slug(refused) == (404, "image-not-found")
    (seen,) = (await read(admin.client, "/v1/trash"))["items"]
    assert (seen["id"], seen["trashed_by"]) == (image["id"], str(admin.id))
    assert [one["id"] for one in (await read(user.client, "/v1/trash"))["items"]] == [image["id"]]
    assert (await restore(user, path)).status_code == 200


async def test_the_list_is_newest_first_and_paged(user: Account, admin: Account) -> None:
    images = [await upload(user) for _ in range(5)]
    for image in images[::2] + images[1::2]:
        await trash(user, image)
    wanted = [image["id"] for image in (images[::2] + images[1::2])[::-1]]
    seen: list[str] = []
    page = await read(user.client, "/v1/trash", limit=2)
    while True:
        seen += [one["id"] for one in page["items"]]
        if page["next_cursor"] is None:
            break
        wrong = await admin.client.get("/v1/trash", params={"cursor": page["next_cursor"]})
        assert slug(wrong) == (400, "invalid-cursor")
        page = await read(user.client, "/v1/trash", limit=2, cursor=page["next_cursor"])
    assert seen == wanted


async def test_changes_of_tags_reach_the_trash(user: Account, admin: Account, sql: asyncpg.Connection) -> None:
    image = await store(user, "a.png", "cat", "kitty", "red", "old", "dog", "puppy")
    await user.client.post("/v1/tags", json={"names": ["pet", "feline", "animal"]})
    assert (await admin.client.put("/v1/tags/dog/implications", json={"implies": ["animal"]})).is_success
    path = await trash(user, image)
    for name, into in (("cat", "feline"), ("kitty", "feline"), ("puppy", "dog")):
        assert (await admin.client.post(f"/v1/tags/{name}/merge", json={"into": into})).status_code == 200
    assert (await admin.client.delete("/v1/tags/cat")).status_code == 204  # only the alias
    assert (await admin.client.patch("/v1/tags/red", json={"name": "crimson"})).status_code == 200
    assert (await admin.client.delete("/v1/tags/old")).status_code == 204
    assert (await admin.client.put("/v1/tags/dog/implications", json={"implies": ["pet"]})).status_code == 200
    (entry,) = (await read(user.client, "/v1/trash"))["items"]
    assert entry["tags"] == ["animal", "crimson", "dog", "feline"]
    restored = (await restore(user, path)).json()
    assert restored["tags"] == ["crimson", "dog", "feline", "pet"]
    explicit = "SELECT name FROM tagged JOIN tags ON id = tag WHERE is_explicit ORDER BY 1"
    assert [row["name"] for row in await sql.fetch(explicit)] == ["crimson", "dog", "feline"]
    await assert_consistent(admin.client, sql)


async def test_a_full_image_is_restored_with_all_its_tags(user: Account) -> None:
    tags = [f"tag {number:03}" for number in range(100)]
    image = await store(user, "a.png", *tags)
    restored = await restore(user, await trash(user, image))
    assert restored.json()["tags"] == tags
    full = await user.client.post(f"{image['links']['self']}/tags", json={"tags": ["more"]})
    assert slug(full) == (422, "validation-error")


async def test_permanent_deletion_removes_the_objects(
    user: Account, empty_bucket: ObjectStore, sql: asyncpg.Connection
) -> None:
    first, second = await store(user, "a.png"), await store(user, "b.png")
    for image in (first, second):
        await user.client.get(image["links"]["thumbnail"])
    assert len([one async for one in empty_bucket.list_objects()]) == 4
    assert (await user.client.delete(first["links"]["self"], params={"permanent": "true"})).status_code == 204
    path = await trash(user, second)
    assert len([one async for one in empty_bucket.list_objects()]) == 2
    assert (await user.client.delete(path)).status_code == 204
    assert [one async for one in empty_bucket.list_objects()] == []
    assert slug(await user.client.delete(path)) == (404, "image-not-found")
    assert await sql.fetchval("SELECT count(*) FROM trashed_images") == 0


async def test_the_trash_counts_against_the_quota(user: Account, admin: Account) -> None:
    size = len(png())
    assert (await admin.client.patch(f"/v1/users/{user.id}", json={"quota_bytes": size})).status_code == 200
    path = await trash(user, await store(user, "a.png"))
    usage = await read(user.client, "/v1/users/me/usage")
    assert usage == {
        "images": 0,
        "bytes": 0,
        "quota_bytes": size,
        "trashed_images": 1,
        "trashed_bytes": size,
        "uploading_bytes": 0,
    }
    files = {"image": ("b.png", png(), "image/png")}
    assert slug(await user.client.post("/v1/images", files=files)) == (413, "storage-quota-exceeded")
    # A restored image was counted before.
    await admin.client.patch(f"/v1/users/{user.id}", json={"quota_bytes": 0})
    assert (await restore(user, path)).status_code == 200
    usage = await read(user.client, "/v1/users/me/usage")
    assert (usage["images"], usage["bytes"], usage["trashed_images"], usage["trashed_bytes"]) == (1, size, 0, 0)


async def test_the_purge_deletes_expired_images_and_the_check_knows_the_others(
    user: Account, settings: Settings, database: Database, empty_bucket: ObjectStore, sql: asyncpg.Connection
) -> None:
    swift = settings.model_copy(update={"orphan_grace_seconds": 1})
    for name in ("old.png", "new.png", "broken.png"):
        image = await store(user, name)
        await user.client.get(image["links"]["thumbnail"])
        await trash(user, image)
    await sql.execute("UPDATE trashed_images SET trashed_at = now() - interval '31 days' WHERE name = 'old.png'")
    audit = AuditLog(SERVICE, lambda _record: None)
    purges = [TrashPurge(database, settings, audit) for _ in range(3)]
    assert sum(await asyncio.gather(*(purge.purge() for purge in purges))) == 1
    assert await read_events(sql) == [Event("images.purge", "/v1/trash", {"images": 1})]
    assert (await read(user.client, "/v1/users/me/usage"))["trashed_images"] == 2
    await sql.execute("UPDATE orphaned_objects SET orphaned_at = now() - interval '1 hour'")
    await asyncio.sleep(2.1)  # the store's times are whole seconds
    await empty_bucket.remove([await sql.fetchval("SELECT storage_key FROM trashed_images WHERE name = 'broken.png'")])
    report = await ConsistencyCheck(database, empty_bucket, swift).run(dry_run=False, digests=True)
    assert (report.images, len(report.damaged), report.orphans) == (2, 1, [])
    assert await OrphanSweeper(database, empty_bucket, swift).sweep() > 0
    assert len([one async for one in empty_bucket.list_objects()]) == 3
    # Without a trash, nothing stays in it.
    assert await TrashPurge(database, settings.model_copy(update={"trash_days": 0}), audit).purge() == 2


async def test_without_a_trash_each_deletion_is_permanent(
    user: Account, settings: Settings, database: Database, empty_bucket: ObjectStore, sql: asyncpg.Connection
) -> None:
    images = [await store(user, f"{number}.png") for number in range(3)]
    without = settings.model_copy(update={"trash_days": 0})
    async with (
        running_service(without) as service,
        httpx.AsyncClient(base_url=service.url, headers=user.client.headers) as client,
    ):
        assert (await client.delete(images[0]["links"]["self"])).status_code == 204
        done = await client.post("/v1/images/bulk", json={"q": "*", "action": "delete"})
        assert (done.json()["matched"], done.json()["changed"]) == (2, 2)
        assert (await read(client, "/v1/trash"))["items"] == []
    await sql.execute("UPDATE orphaned_objects SET orphaned_at = now() - interval '1 day'")
    await OrphanSweeper(database, empty_bucket, settings).sweep()
    assert [one async for one in empty_bucket.list_objects()] == []


@pytest.mark.parametrize("images", ["keep", "delete"])
@pytest.mark.parametrize("by_admin", [True, False])
async def test_the_deletion_of_an_account_deletes_its_trash(
    images: str,
    by_admin: bool,
    user: Account,
    admin: Account,
    sql: asyncpg.Connection,
    empty_bucket: ObjectStore,
) -> None:
    await trash(user, await store(user, "a.png"))
    deleter, path = (admin, f"/v1/users/{user.id}") if by_admin else (user, "/v1/users/me")
    assert (await deleter.client.delete(path, params={"images": images})).status_code == 204
    assert await sql.fetchval("SELECT count(*) FROM trashed_images") == 0
    assert [one async for one in empty_bucket.list_objects()] == []


async def test_an_account_that_is_deleted_during_deletions_leaves_no_trash(
    user: Account, admin: Account, sql: asyncpg.Connection
) -> None:
    paths = [await store(user, f"{number}.png") for number in range(12)]
    responses = await asyncio.gather(
        *(admin.client.delete(image["links"]["self"]) for image in paths[:8]), user.client.delete("/v1/users/me")
    )
    assert [one.status_code for one in responses] == [204] * 9
    left = await sql.fetch("SELECT uploaded_by FROM images UNION ALL SELECT uploaded_by FROM trashed_images")
    assert {row["uploaded_by"] for row in left} == {None}
