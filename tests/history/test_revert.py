"""Reverts of tag changes: by batch, by account and period, and by ids."""

import asyncio
from typing import Any

import asyncpg
import httpx
import pytest

from app.history import revert_service
from tests.history.replay import assert_replayable
from tests.support.accounts import Account
from tests.tags.helpers import assert_consistent, read, upload

pytestmark = pytest.mark.integration


async def revert(account: Account, **body: Any) -> dict[str, Any]:
    response = await account.client.post("/v1/history/revert", json=body)
    assert response.status_code == 200, response.text
    result: dict[str, Any] = response.json()
    return result


async def bulk(account: Account, **body: Any) -> str:
    response = await account.client.post("/v1/images/tags", json={"add": [], "remove": []} | body)
    assert response.status_code == 200, response.text
    return str(response.json()["batch"])


async def tags(account: Account, image: dict[str, Any]) -> list[str]:
    found: list[str] = (await read(account.client, f"/v1/images/{image['id']}"))["tags"]
    return found


async def test_a_revert_keeps_later_changes_by_others_and_can_be_repeated(
    user: Account, admin: Account, sql: asyncpg.Connection, monkeypatch: Any
) -> None:
    monkeypatch.setattr(revert_service, "BATCH", 2)
    await admin.client.post("/v1/tags", json={"names": ["cat", "pet"]})
    await admin.client.put("/v1/tags/cat/implications", json={"implies": ["pet"]})
    images = [await upload(user, "cat", "red") for _ in range(5)]
    images[4] = await upload(user, "spam")
    batch = await bulk(user, q="*", add=["spam"], remove=["cat", "red"])
    await admin.client.post(f"/v1/images/{images[0]['id']}/tags", json={"tags": ["red"]})
    (newest,) = (await read(admin.client, "/v1/history", limit=1))["items"]

    dry_run = await revert(user, batch=batch, dry_run=True)
    assert await tags(user, images[1]) == ["spam"]
    result = await revert(user, batch=batch)
    assert dry_run == result | {"batch": None}
    assert (result["matched"], result["changed"], result["conflicts"]) == (5, 5, [newest])
    assert [await tags(user, image) for image in images] == [*[["cat", "pet", "red"]] * 4, ["spam"]]
    again = await revert(user, batch=batch)
    assert (again["matched"], again["changed"], again["conflicts"]) == (5, 0, [newest])

    # The revert is a change as any other.
    assert (await revert(user, batch=result["batch"]))["changed"] == 5
    assert await tags(user, images[1]) == ["spam"]
    await assert_replayable(sql)
    await assert_consistent(admin.client, sql)


async def test_a_user_reverts_the_changes_of_own_images_only(user: Account, admin: Account) -> None:
    own, foreign = await upload(user, "cat"), await upload(admin, "cat")
    batch = await bulk(admin, q="*", remove=["cat"])
    other = (await read(admin.client, "/v1/history", batch=batch))["items"]
    assert (await revert(user, actor=str(admin.id)))["matched"] == 1
    assert (await tags(user, own), await tags(user, foreign)) == (["cat"], [])
    (event,) = [event for event in other if event["image"].endswith(foreign["id"])]
    assert (await revert(user, ids=[event["id"]]))["matched"] == 0
    assert (await revert(admin, ids=[event["id"]]))["changed"] == 1
    assert await tags(user, foreign) == ["cat"]


async def test_a_period_selects_the_changes_of_an_account(user: Account, admin: Account) -> None:
    image = await upload(user, "a")
    for tag in ("b", "c", "d"):
        await user.client.post(f"/v1/images/{image['id']}/tags", json={"tags": [tag]})
    events = (await read(user.client, f"/v1/images/{image['id']}/history"))["items"]
    at = {event["tag"]: event["at"] for event in events}
    await revert(admin, actor=str(user.id), since=at["b"], until=at["d"])
    assert await tags(user, image) == ["a", "d"]
    await revert(admin, actor=str(user.id))
    assert await tags(user, image) == []


async def test_a_merge_a_rename_and_a_deletion_of_a_tag_are_reverted(
    user: Account, admin: Account, sql: asyncpg.Connection
) -> None:
    first, second = await upload(user, "kitty"), await upload(user, "kitty", "cat", visibility="private")
    merge = (await admin.client.post("/v1/tags/kitty/merge", json={"into": "cat"})).json()["batch"]
    rename = (await admin.client.patch("/v1/tags/cat", json={"name": "feline"})).json()["batch"]
    assert (await user.client.post("/v1/history/revert", json={"batch": merge})).status_code == 403
    assert (await revert(admin, batch=rename, dry_run=True))["changed"] == 2
    assert (await revert(admin, batch=rename))["changed"] == 2
    assert (await revert(admin, batch=rename))["changed"] == 0
    assert await tags(user, first) == ["cat"]
    assert (await revert(admin, batch=merge))["changed"] == 2
    assert (await revert(admin, batch=merge))["changed"] == 0
    assert (await tags(user, first), await tags(user, second)) == (["kitty"], ["cat", "kitty"])
    assert (await read(user.client, "/v1/tags/cat"))["aliases"] == []

    await admin.client.delete("/v1/tags/kitty")
    (event,) = (await read(admin.client, "/v1/history", limit=1))["items"]
    assert (await revert(admin, batch=event["batch"]))["changed"] == 2
    assert (await tags(user, first), await tags(user, second)) == (["kitty"], ["cat", "kitty"])
    await assert_replayable(sql)
    await assert_consistent(admin.client, sql)


async def read_graph(admin: Account, *names: str) -> list[tuple[str, list[str], list[str]]]:
    """Return the name, the aliases and the implications of each tag."""
    tags = [await read(admin.client, f"/v1/tags/{name}") for name in names]
    return [(tag["name"], tag["aliases"], tag["implies"]) for tag in tags]


async def test_a_reverted_operation_restores_the_aliases_and_implications_of_the_tag(
    user: Account, admin: Account, sql: asyncpg.Connection
) -> None:
    await admin.client.post("/v1/tags", json={"names": ["cat", "dog", "pet", "tabby"]})
    await admin.client.put("/v1/tags/cat/aliases", json={"aliases": ["kitty", "puss"]})
    await admin.client.put("/v1/tags/cat/implications", json={"implies": ["pet"]})
    await admin.client.put("/v1/tags/tabby/implications", json={"implies": ["cat"]})
    images = [await upload(user, "tabby"), await upload(user, "cat"), await upload(user, "dog")]
    names = ("cat", "dog", "pet", "tabby")

    async def state() -> Any:
        return await read_graph(admin, *names), [await tags(user, image) for image in images]

    before = await state()
    for method, path, body in (
        ("POST", "/v1/tags/cat/merge", {"into": "dog"}),
        ("DELETE", "/v1/tags/cat", None),
        ("PATCH", "/v1/tags/cat", {"name": "puss"}),
    ):
        assert (await admin.client.request(method, path, json=body)).is_success
        batch = str(await sql.fetchval("SELECT id FROM tag_operations ORDER BY created_at DESC LIMIT 1"))
        dry_run = await revert(admin, batch=batch, dry_run=True)
        result = await revert(admin, batch=batch)
        assert dry_run == result | {"batch": None}
        assert (result["conflicts"], result["unrestored"]) == ([], [])
        assert await state() == before, path
        assert (await revert(admin, batch=batch))["changed"] == 0
    await assert_replayable(sql)
    await assert_consistent(admin.client, sql)


async def test_a_revert_reports_the_aliases_and_implications_that_it_cannot_restore(
    user: Account, admin: Account
) -> None:
    await admin.client.post("/v1/tags", json={"names": ["cat", "pet", "animal", "tabby"]})
    await admin.client.put("/v1/tags/cat/aliases", json={"aliases": ["kitty", "puss"]})
    await admin.client.put("/v1/tags/cat/implications", json={"implies": ["pet", "animal"]})
    image = await upload(user, "cat")
    await admin.client.delete("/v1/tags/cat")
    batch = (await read(admin.client, "/v1/history", limit=1))["items"][0]["batch"]
    await admin.client.post("/v1/tags", json={"names": ["kitty"]})
    await admin.client.delete("/v1/tags/pet")
    dry_run = await revert(admin, batch=batch, dry_run=True)
    result = await revert(admin, batch=batch)
    assert dry_run == result | {"batch": None}
    expected = [("kitty", None, "tag-exists"), (None, "pet", "tag-not-found")]
    assert [(item["alias"], item["implies"], item["reason"]) for item in result["unrestored"]] == expected
    assert await read_graph(admin, "cat") == [("cat", ["puss"], ["animal"])]
    assert await tags(user, image) == ["animal", "cat"]
    assert (await revert(admin, batch=batch))["unrestored"] == result["unrestored"]

    # A name that is taken stops neither the rest of the request nor its repetition.
    rename = (await admin.client.patch("/v1/tags/cat", json={"name": "feline"})).json()["batch"]
    await admin.client.post("/v1/tags", json={"names": ["cat"]})
    (item,) = (await revert(admin, batch=rename))["unrestored"]
    assert (item["tag"], item["reason"]) == ("cat", "tag-exists")
    await admin.client.patch("/v1/tags/feline", json={"name": "felid"})
    (item,) = (await revert(admin, batch=rename))["unrestored"]
    assert (item["tag"], item["reason"]) == ("cat", "tag-renamed")


async def test_a_revert_gives_no_image_more_than_its_hundred_tags(user: Account) -> None:
    image = await upload(user, *(f"tag {number}" for number in range(100)))
    batch = await bulk(user, q="*", remove=["tag 1", "tag 2"])
    await user.client.post(f"/v1/images/{image['id']}/tags", json={"tags": ["new"]})
    dry_run, result = await revert(user, batch=batch, dry_run=True), await revert(user, batch=batch)
    assert dry_run == result | {"batch": None}
    (item,) = result["unrestored"]
    assert (item["image"], item["reason"]) == (f"/v1/images/{image['id']}", "too-many-tags")
    assert len(await tags(user, image)) == 100
    await user.client.delete(f"/v1/images/{image['id']}/tags/new")
    assert (await revert(user, batch=batch))["unrestored"] == []
    assert item["tag"] in await tags(user, image)


async def test_a_merged_tag_returns_as_its_target_and_a_deleted_one_by_its_name(user: Account, admin: Account) -> None:
    image = await upload(user, "kitty", "dog", "red")
    batch = await bulk(user, ids=[image["id"]], remove=["kitty", "dog", "red"])
    await admin.client.post("/v1/tags", json={"names": ["cat"]})
    await admin.client.post("/v1/tags/kitty/merge", json={"into": "cat"})
    await admin.client.delete("/v1/tags/dog")
    await admin.client.delete("/v1/tags/red")
    await admin.client.post("/v1/tags", json={"names": ["red"]})
    assert (await revert(user, batch=batch))["changed"] == 1
    assert await tags(user, image) == ["cat", "dog", "red"]
    assert (await revert(user, batch=batch))["changed"] == 0


async def test_a_selection_is_exactly_one_of_three(user: Account) -> None:
    since = {"since": "2026-11-22T10:00:00Z"}
    bodies: list[dict[str, Any]] = [{}, {"batch": str(user.id), "ids": [1]}, {"ids": []}, {"ids": ["1"]}, since]
    # Times that only other time zones have.
    bodies += [
        {"actor": str(user.id), "since": at} for at in ("0001-01-01T00:00:00+23:00", "9999-12-31T23:59:59-23:00")
    ]
    for body in bodies:
        assert (await user.client.post("/v1/history/revert", json=body)).status_code == 422, body
    assert (await revert(user, batch=str(user.id)))["matched"] == 0


async def test_two_reverts_of_a_batch_at_once_change_each_image_once(
    user: Account, admin: Account, sql: asyncpg.Connection, monkeypatch: Any
) -> None:
    monkeypatch.setattr(revert_service, "BATCH", 2)
    user.client.timeout = admin.client.timeout = httpx.Timeout(60)
    images = [await upload(user, "cat", f"tag {number}") for number in range(6)]
    batch = await bulk(user, q="*", add=["spam"], remove=["cat"])
    edits = [admin.client.post(f"/v1/images/{image['id']}/tags", json={"tags": ["new"]}) for image in images]
    reverts = [revert(account, batch=batch) for account in (user, admin)]
    first, second, *responses = await asyncio.gather(*reverts, *edits)
    assert all(response.status_code == 200 for response in responses)
    assert first["changed"] + second["changed"] == len(images)
    assert first["conflicts"] == second["conflicts"] == []
    for image in images:
        assert set(await tags(user, image)) == {"new", *image["tags"]}
    assert await sql.fetchval("SELECT count(*) FROM tag_events WHERE source = 'revert'") == 2 * len(images)
    await assert_replayable(sql)
    await assert_consistent(admin.client, sql)
