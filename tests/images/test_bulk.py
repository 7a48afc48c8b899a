"""Changes of many images: deletion, restoration and visibility."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import httpx
import pytest

from app.images.bulk.actions import TrashImages
from tests.images.test_trash import restore, slug, store, trash
from tests.support.accounts import Account
from tests.tags.helpers import assert_consistent, read

pytestmark = pytest.mark.integration

MakeAccount = Callable[..., Awaitable[Account]]


async def change(account: Account, **body: Any) -> dict[str, Any]:
    response = await account.client.post("/v1/images/bulk", json=body)
    assert response.status_code == 200, response.text
    result: dict[str, Any] = response.json()
    return result


async def test_a_batch_is_deleted_and_restored(
    user: Account, admin: Account, sql: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TrashImages, "batch_size", 3)
    images = [await store(user, f"{number}.png", "cat", f"tag {number}") for number in range(4)]
    kept = await store(user, "kept.png", "dog")
    would = await change(user, q="cat", action="delete", dry_run=True)
    assert would == {"matched": 4, "changed": 4, "batch": None, "skipped": []}
    assert (await read(user.client, "/v1/images", q="cat", count="exact"))["total"] == 4
    done = await change(user, q="cat", action="delete")
    assert done == would | {"batch": done["batch"]}
    assert [one["id"] for one in (await read(user.client, "/v1/images"))["items"]] == [kept["id"]]
    await trash(user, kept)
    page = await read(user.client, "/v1/trash", batch=done["batch"], limit=3)
    rest = await read(user.client, "/v1/trash", batch=done["batch"], limit=3, cursor=page["next_cursor"])
    listed = page["items"] + rest["items"]
    assert {one["id"] for one in listed} == {image["id"] for image in images}
    assert {one["batch"] for one in listed} == {done["batch"]}
    await assert_consistent(admin.client, sql)

    ids = [image["id"] for image in images]
    assert await change(user, ids=ids, action="restore", dry_run=True) == would
    back = await change(user, ids=ids, action="restore")
    assert back == would | {"batch": back["batch"]}
    assert back["batch"] not in (None, done["batch"])
    assert [await read(user.client, image["links"]["self"]) for image in images] == images
    assert await change(user, ids=ids, action="restore", dry_run=True) == would | {"matched": 0, "changed": 0}
    await assert_consistent(admin.client, sql)


async def test_an_image_whose_name_was_taken_does_not_end_the_batch(user: Account) -> None:
    first, second = await store(user, "a.png"), await store(user, "b.png")
    await change(user, q="*", action="delete")
    third = await store(user, "b.png")
    await trash(user, third)
    await store(user, "a.png")
    ids = [image["id"] for image in (first, second, third)]
    skipped = [{"id": image["id"], "reason": "name-taken"} for image in (first, second)]
    wanted = {"matched": 3, "changed": 1, "batch": None, "skipped": sorted(skipped, key=lambda one: one["id"])}
    assert await change(user, ids=ids, action="restore", dry_run=True) == wanted
    done = await change(user, ids=ids, action="restore")
    # The last deleted of the two got the name.
    assert done == wanted | {"batch": done["batch"]}
    assert (await user.client.get(third["links"]["self"])).status_code == 200
    assert {one["id"] for one in (await read(user.client, "/v1/trash"))["items"]} == {first["id"], second["id"]}
    assert (await restore(user, f"/v1/trash/{first['id']}", name="c.png")).status_code == 200


async def test_the_visibility_of_images_that_have_it_does_not_change(
    user: Account, admin: Account, sql: asyncpg.Connection
) -> None:
    images = [await store(user, f"{number}.png", "cat", visibility="private") for number in range(3)]
    await user.client.patch(images[0]["links"]["self"], json={"visibility": "public"})
    would = await change(user, q="cat", action="set_visibility", visibility="public", dry_run=True)
    assert would == {"matched": 3, "changed": 2, "batch": None, "skipped": []}
    done = await change(user, q="cat", action="set_visibility", visibility="public")
    assert (done["matched"], done["changed"]) == (3, 2)
    assert (await read(admin.client, "/v1/tags/cat"))["images"] == 3
    assert {image["visibility"] for image in (await read(user.client, "/v1/images"))["items"]} == {"public"}
    await assert_consistent(admin.client, sql)


async def test_only_images_that_the_caller_may_change_are_changed(
    user: Account, admin: Account, make_account: MakeAccount
) -> None:
    other = await make_account()
    image = await store(user, "a.png", "cat")
    none = {"matched": 0, "changed": 0, "skipped": []}
    for selection in ({"q": "*"}, {"ids": [image["id"]]}):
        for action in ({"action": "delete"}, {"action": "set_visibility", "visibility": "private"}):
            assert (await change(other, **selection, **action)).items() >= none.items()
    assert (await change(admin, q="cat", action="delete"))["changed"] == 1
    assert (await change(other, ids=[image["id"]], action="restore")).items() >= none.items()
    assert (await change(admin, ids=[image["id"], str(uuid.uuid1())], action="restore"))["changed"] == 1


@pytest.mark.parametrize(
    "body",
    [
        {"action": "delete"},
        {"action": "delete", "q": ""},
        {"action": "delete", "q": "cat", "ids": []},
        {"action": "delete", "q": "cat", "visibility": "public"},
        {"action": "set_visibility", "q": "cat"},
        {"action": "restore", "q": "cat"},
        {"action": "destroy", "q": "cat"},
        {"action": "delete", "ids": [str(uuid.UUID(int=1))] * 1001},
    ],
)
async def test_a_change_that_is_not_complete_is_422(user: Account, body: dict[str, Any]) -> None:
    assert slug(await user.client.post("/v1/images/bulk", json=body)) == (422, "validation-error")


async def test_a_query_that_does_not_parse_is_400(user: Account) -> None:
    refused = await user.client.post("/v1/images/bulk", json={"q": "(", "action": "delete"})
    assert slug(refused) == (400, "invalid-query")


async def test_locked_images_are_skipped(user: Account, sql: asyncpg.Connection) -> None:
    image = await store(user, "a.png")
    transaction = sql.transaction()
    await transaction.start()
    await sql.execute("SELECT FROM images FOR UPDATE")
    try:
        done = await change(user, q="*", action="delete")
    finally:
        await transaction.rollback()
    assert (done["matched"], done["changed"]) == (1, 0)
    assert done["skipped"] == [{"id": image["id"], "reason": "database-busy"}]


async def test_the_same_images_are_deleted_once_by_many_and_restored_once(
    user: Account, admin: Account, sql: asyncpg.Connection
) -> None:
    images = [await store(user, f"{number}.png", "cat") for number in range(6)]
    ids = [image["id"] for image in images]

    async def single(image: dict[str, Any]) -> httpx.Response:
        return await user.client.delete(image["links"]["self"])

    results = await asyncio.gather(
        *(change(one, ids=ids, action="delete") for one in (user, admin)), *(single(image) for image in images[:3])
    )
    changed = sum(one["changed"] if isinstance(one, dict) else one.status_code == 204 for one in results)
    assert changed == 6
    results = await asyncio.gather(*(change(one, ids=ids, action="restore") for one in (user, admin)))
    assert sum(one["changed"] for one in results if isinstance(one, dict)) == 6
    await assert_consistent(admin.client, sql)
