"""Events of images: admins' changes of other accounts' images, and changes of many images."""

from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import httpx
import pytest

from tests.audit.trail import Event, read_events
from tests.support.accounts import Account
from tests.support.photos import png

pytestmark = pytest.mark.integration

MakeAccount = Callable[..., Awaitable[Account]]


async def _store(account: Account, name: str) -> str:
    files = {"image": (name, png(), "image/png")}
    answer = await account.client.post("/v1/images", files=files, data={"tags": ["cat"]})
    path: str = answer.json()["links"]["self"]
    return path


async def _change_everything(account: Account, path: str) -> None:
    image = path.rpartition("/")[2]
    requests: list[tuple[str, str, dict[str, Any] | None]] = [
        ("PATCH", path, {"name": "new.png", "visibility": "private"}),
        ("PATCH", path, {"name": "new.png"}),
        ("PUT", f"{path}/tags", {"tags": ["dog"]}),
        ("POST", f"{path}/tags", {"tags": ["cat", "dog"]}),
        ("POST", f"{path}/tags", {"tags": ["cat"]}),
        ("DELETE", f"{path}/tags/dog", None),
        ("DELETE", path, None),
        ("POST", f"/v1/trash/{image}/restore", None),
        ("DELETE", path, None),
        ("DELETE", f"/v1/trash/{image}", None),
    ]
    for method, url, body in requests:
        answer = await account.client.request(method, url, json=body)
        assert answer.is_success, (method, url, answer.text)


async def test_an_admin_s_changes_of_another_account_s_image_are_recorded_and_no_others(
    admin: Account, user: Account, sql: asyncpg.Connection
) -> None:
    for account in (user, admin):
        await _change_everything(account, await _store(account, "own.png"))
        permanent = await _store(account, "permanent.png")
        assert (await account.client.delete(f"{permanent}?permanent=true")).status_code == 204
    assert await read_events(sql) == []
    path, permanent = await _store(user, "photo.png"), await _store(user, "permanent.png")
    await _change_everything(admin, path)
    assert (await admin.client.delete(f"{permanent}?permanent=true")).status_code == 204
    assert await read_events(sql) == [
        Event(
            *("image.update", path, {"name": "photo.png", "visibility": "public"}),
            {"name": "new.png", "visibility": "private"},
        ),
        Event("image.set_tags", path, {"tags": ["cat"]}, {"tags": ["dog"]}),
        Event("image.set_tags", path, {"tags": ["dog"]}, {"tags": ["cat", "dog"]}),
        Event("image.set_tags", path, {"tags": ["cat", "dog"]}, {"tags": ["cat"]}),
        Event("image.trash", path, {"name": "new.png"}),
        Event("image.restore", path, None, {"name": "new.png"}),
        Event("image.trash", path, {"name": "new.png"}),
        Event("image.delete", path, {"name": "new.png"}),
        Event("image.delete", permanent, {"name": "permanent.png"}),
    ]
    assert await sql.fetchval("SELECT count(*) FROM audit_events WHERE actor <> $1", admin.id) == 0


async def _copy(sql: asyncpg.Connection, path: str, count: int) -> None:
    """Make copies of an image, without files of their own."""
    await sql.execute(
        """
        INSERT INTO images (id, name, storage_key, uploaded_by, content_type, size, width, height, sha256)
        SELECT gen_random_uuid(), gen_random_uuid()::text, gen_random_uuid()::text, uploaded_by, content_type, size,
            width, height, sha256
        FROM images, generate_series(1, $2) WHERE id = $1
        """,
        path.rpartition("/")[2],
        count,
    )


async def _tag_all(account: Account, **body: Any) -> httpx.Response:
    return await account.client.post("/v1/images/tags", json={"q": "*", **body})


async def test_a_change_of_more_than_a_hundred_images_is_recorded(user: Account, sql: asyncpg.Connection) -> None:
    path = await _store(user, "first.png")
    await _copy(sql, path, 99)
    assert (await _tag_all(user, add=["few"])).json()["changed"] == 100
    await _copy(sql, path, 1)
    assert (await _tag_all(user, add=["many"], dry_run=True)).json()["changed"] == 101
    assert await read_events(sql) == []
    assert (await _tag_all(user, add=["many"], remove=["few"])).json()["changed"] == 101
    members = {"images": 101, "added": ["many"], "removed": ["few"]}
    assert await read_events(sql) == [Event("images.set_tags", "/v1/images", None, members)]


async def test_bulk_changes_are_recorded_if_an_admin_makes_them_or_they_are_large(
    admin: Account, user: Account, sql: asyncpg.Connection
) -> None:
    path = await _store(user, "first.png")
    image = path.rpartition("/")[2]

    async def change(account: Account, action: str, **body: Any) -> str:
        answer = await account.client.post("/v1/images/bulk", json={"action": action, **body})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["batch"])

    await change(user, "set_visibility", q="*", visibility="private")
    await change(user, "delete", ids=[image])
    await change(admin, "restore", ids=[image], dry_run=True)
    assert await read_events(sql) == []
    expected = [("restore", {"batch": await change(admin, "restore", ids=[image]), "images": 1})]
    await change(admin, "set_visibility", q="*", visibility="private")
    await _copy(sql, path, 100)
    members = {"images": 101, "visibility": "public"}
    await sql.execute("UPDATE images SET visibility = 'private'")
    batch = await change(user, "set_visibility", q="*", visibility="public")
    expected.append(("set_visibility", {"batch": batch, **members}))
    expected.append(("trash", {"batch": await change(user, "delete", q="*"), "images": 101}))
    wanted = [Event(f"images.{action}", "/v1/images", None, members) for action, members in expected]
    assert await read_events(sql) == wanted


async def test_a_revert_is_recorded_with_the_tag_that_it_restores(
    admin: Account, user: Account, sql: asyncpg.Connection
) -> None:
    await _store(user, "first.png")
    await admin.client.post("/v1/tags", json={"names": ["feline"]})
    merged = await admin.client.post("/v1/tags/cat/merge", json={"into": "feline"})
    body = {"batch": merged.json()["batch"]}
    assert (await admin.client.post("/v1/history/revert", json={**body, "dry_run": True})).status_code == 200
    # The second revert changes nothing.
    reverted, repeated = [await admin.client.post("/v1/history/revert", json=body) for _ in range(2)]
    assert (reverted.status_code, repeated.json()["changed"]) == (200, 0)
    batch = reverted.json()["batch"]
    assert (await read_events(sql))[1:] == [
        Event("tag.restore", "/v1/tags/cat", None, {"reverted": "merge", "batch": batch, "aliases": []}),
        Event("images.revert", "/v1/images", None, {"images": 1, "batch": batch}),
    ]
