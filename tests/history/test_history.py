"""The history of the tags of images: its events, and the pages that list them."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from app.core.settings import Settings
from app.db.database import Database
from app.history.history_maintenance import HistoryMaintenance
from tests.history.replay import assert_replayable
from tests.support.accounts import Account
from tests.tags.helpers import read, upload

pytestmark = pytest.mark.integration


def summaries(page: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return the events of a page, oldest first, as (tag, change, source)."""
    return [(event["tag"], event["change"], event["source"]) for event in reversed(page["items"])]


async def history(account: Account, image: dict[str, Any]) -> list[tuple[str, str, str]]:
    return summaries(await read(account.client, f"/v1/images/{image['id']}/history", limit=100))


async def test_each_change_of_a_tag_is_one_event(user: Account, admin: Account, sql: asyncpg.Connection) -> None:
    await admin.client.post("/v1/tags", json={"names": ["cat", "pet"]})
    await admin.client.put("/v1/tags/cat/implications", json={"implies": ["pet"]})
    image = await upload(user, "red", "cat")
    path = f"/v1/images/{image['id']}/tags"
    await user.client.post(path, json={"tags": ["pet"]})  # from implied to explicit
    await user.client.delete(f"{path}/pet")  # and back
    await user.client.put(path, json={"tags": ["blue"]})
    await user.client.put(path, json={"tags": ["blue"]})
    await assert_replayable(sql)
    events = await history(user, image)
    assert sorted(events[:3]) == [("cat", "added", "hand"), ("pet", "added", "implied"), ("red", "added", "hand")]
    assert events[3:6] == [("pet", "added", "hand"), ("pet", "removed", "hand"), ("blue", "added", "hand")]
    assert sorted(events[6:]) == [
        ("cat", "removed", "hand"),
        ("pet", "removed", "implied"),
        ("red", "removed", "hand"),
    ]


async def test_an_event_has_the_account_the_credential_and_the_request(
    user: Account, admin: Account, sql: asyncpg.Connection
) -> None:
    image = await upload(user)
    fields = {"X-Request-ID": "request-17"}
    await admin.client.post(f"/v1/images/{image['id']}/tags", json={"tags": ["cat"]}, headers=fields)
    await sql.execute("UPDATE tagged SET is_explicit = false")
    newest, oldest = (await read(user.client, f"/v1/images/{image['id']}/history"))["items"]
    assert oldest | {"id": 0, "at": ""} == {
        "id": 0,
        "at": "",
        "actor": str(admin.id),
        "image": f"/v1/images/{image['id']}",
        "tag": "cat",
        "change": "added",
        "source": "hand",
        "batch": None,
        "request_id": "request-17",
    }
    assert (newest["actor"], newest["request_id"], newest["change"]) == (None, None, "removed")
    session = await sql.fetchval("SELECT id FROM user_sessions WHERE user_id = $1", admin.id)
    assert await sql.fetchval("SELECT credential FROM tag_events WHERE request_id = 'request-17'") == session


async def test_bulk_edits_merges_renames_and_deletions_have_a_batch(
    user: Account, admin: Account, sql: asyncpg.Connection
) -> None:
    image = await upload(user, "cat")
    change = {"q": "cat", "add": ["kitty"], "remove": []}
    dry_run = (await user.client.post("/v1/images/tags", json=change | {"dry_run": True})).json()
    bulk = (await user.client.post("/v1/images/tags", json=change)).json()
    merge = (await admin.client.post("/v1/tags/kitty/merge", json={"into": "feline"})).json()
    assert merge["type"] == "/problems/tag-not-found"
    await admin.client.post("/v1/tags", json={"names": ["feline"]})
    merge = (await admin.client.post("/v1/tags/kitty/merge", json={"into": "feline"})).json()
    rename = (await admin.client.patch("/v1/tags/cat", json={"name": "house cat"})).json()
    assert (await admin.client.delete("/v1/tags/feline")).status_code == 204
    await assert_replayable(sql)
    page = await read(admin.client, "/v1/history")
    assert dry_run["batch"] is None
    assert summaries(page) == [
        ("cat", "added", "hand"),
        ("kitty", "added", "bulk"),
        ("kitty", "removed", "merge"),
        ("feline", "added", "merge"),
        ("cat", "removed", "rename"),
        ("house cat", "added", "rename"),
        ("feline", "removed", "bulk"),
    ]
    batches = [event["batch"] for event in reversed(page["items"])]
    assert batches[:6] == [None, bulk["batch"], *[merge["batch"]] * 2, *[rename["batch"]] * 2]
    assert batches[6] not in (None, *batches[:6])
    assert summaries(await read(admin.client, "/v1/history", batch=rename["batch"])) == summaries(page)[4:6]
    assert summaries(await read(user.client, "/v1/tags/house cat/history")) == [
        ("cat", "added", "hand"),
        ("cat", "removed", "rename"),
        ("house cat", "added", "rename"),
    ]
    assert len(await history(user, image)) == 7


async def test_the_history_of_a_tag_shows_visible_images_only_and_merged_tags(
    user: Account, admin: Account, make_account: Callable[..., Awaitable[Account]]
) -> None:
    stranger = await make_account()
    public, private = await upload(user, "kitty"), await upload(user, "kitty", visibility="private")
    await upload(user, "cat")
    await admin.client.post("/v1/tags/kitty/merge", json={"into": "cat"})
    assert len((await read(stranger.client, "/v1/tags/cat/history"))["items"]) == 4
    assert len((await read(user.client, "/v1/tags/kitty/history"))["items"]) == 7
    await user.client.patch(f"/v1/images/{public['id']}", json={"visibility": "private"})
    assert len((await read(stranger.client, "/v1/tags/cat/history"))["items"]) == 1
    assert (await stranger.client.get(f"/v1/images/{private['id']}/history")).status_code == 404
    assert len((await read(user.client, f"/v1/images/{private['id']}/history"))["items"]) == 3


async def test_the_pages_are_complete_and_depend_on_the_caller(user: Account, admin: Account) -> None:
    image = await upload(user, *(f"tag-{number}" for number in range(25)))
    for path in (f"/v1/images/{image['id']}/history", "/v1/history"):
        first = await admin.client.get(path, params={"limit": 10})
        assert first.headers["cache-control"] == "private, no-cache"
        assert first.headers["vary"].startswith("Authorization")
        ids = [event["id"] for event in first.json()["items"]]
        page = first.json()
        while page["next_cursor"]:
            page = await read(admin.client, path, limit=10, cursor=page["next_cursor"])
            ids += [event["id"] for event in page["items"]]
        assert ids == sorted(ids, reverse=True)
        assert len(ids) == 25
    refused = await user.client.get("/v1/images/" + image["id"] + "/history", params={"cursor": "x"})
    assert refused.json()["type"] == "/problems/invalid-cursor"
    since = first.json()["items"][0]["at"]
    newest = await read(admin.client, "/v1/history", since=since, actor=str(user.id))
    assert len(newest["items"]) == 1
    assert (await read(admin.client, "/v1/history", until=since, limit=100))["items"][0]["id"] == ids[1]


async def test_a_deleted_image_loses_its_events_and_a_restored_one_gets_none(
    user: Account, sql: asyncpg.Connection, database: Database, settings: Settings
) -> None:
    image, kept = await upload(user, "cat"), await upload(user, "dog")
    async with sql.transaction():
        await sql.execute("SET LOCAL imts.tag_history = 'off'")
        await sql.execute("UPDATE tagged SET is_explicit = false")
        await sql.execute("UPDATE tagged SET is_explicit = true")
    assert (await user.client.delete(f"/v1/images/{image['id']}?permanent=true")).status_code in (204, 422)
    await sql.execute("DELETE FROM images WHERE id = $1", image["id"])
    assert await sql.fetchval("SELECT count(*) FROM tag_events") == 2
    await sql.execute("INSERT INTO orphaned_tag_histories (image) VALUES ($1) ON CONFLICT DO NOTHING", kept["id"])
    await HistoryMaintenance(database, settings).remove_orphaned()
    assert [str(row["image"]) for row in await sql.fetch("SELECT image FROM tag_events")] == [kept["id"]]
    assert await sql.fetchval("SELECT count(*) FROM orphaned_tag_histories") == 0


@pytest.mark.parametrize("now", [datetime(2031, 12, 24, tzinfo=UTC)])
async def test_a_new_partition_takes_its_events_from_the_default_one(
    now: datetime, sql: asyncpg.Connection, database: Database, settings: Settings
) -> None:
    insert = (
        "INSERT INTO tag_events (at, image, tag_id, tag, change, is_explicit, source) "
        "VALUES ($1, '00000000-0000-1000-8000-000000000000', 1, 'cat', 1, true, 'hand')"
    )
    days = (0, 10, 60)
    for day in days:
        await sql.execute(insert, now + timedelta(days=day))
    maintenance = HistoryMaintenance(database, settings)
    for _ in range(2):
        await maintenance.create_partitions(now)
    partitions = "SELECT tableoid::regclass::text AS name FROM tag_events ORDER BY at"
    expected = ["tag_events_2031_12", "tag_events_2032_01", "tag_events_default"]
    assert [row["name"] for row in await sql.fetch(partitions)] == expected
    await sql.execute("DROP TABLE tag_events_2031_12, tag_events_2032_01")
