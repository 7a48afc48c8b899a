"""The acceptance scenario: one account changes the tags of 10,000 images, and one request restores them."""

import asyncio
import time
import uuid
from typing import Any

import asyncpg
import httpx
import pytest

from tests.history.replay import replay
from tests.history.test_revert import bulk, revert
from tests.support.accounts import Account
from tests.tags.helpers import assert_consistent

pytestmark = pytest.mark.integration

IMAGES = 10_000
EDITS = 40
INSERT = """
INSERT INTO images (id, name, storage_key, uploaded_by, content_type, size, width, height, sha256)
SELECT id, id::text, id::text, $2, 'image/png', 1, 1, 1, sha256('x') FROM unnest($1::uuid[]) AS new(id)
"""


async def explicit(sql: asyncpg.Connection) -> set[tuple[Any, str]]:
    rows = await sql.fetch("SELECT image, name FROM tagged JOIN tags ON tags.id = tag WHERE is_explicit")
    return {(row["image"], row["name"]) for row in rows}


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_one_request_restores_ten_thousand_images_and_keeps_the_work_of_others(
    user: Account, admin: Account, sql: asyncpg.Connection
) -> None:
    user.client.timeout = admin.client.timeout = httpx.Timeout(120)
    images = [uuid.uuid1() for _ in range(IMAGES)]
    await sql.execute(INSERT, images, user.id)
    await bulk(user, q="*", add=["red", "cat"])
    original = await explicit(sql)

    # 40 edits of 250 images each; another account changes five images after each edit, two of them the same tags.
    others: set[tuple[Any, str]] = set()
    batches: list[str] = []
    for number in range(EDITS):
        part = images[number * 250 : (number + 1) * 250]
        ids = [str(image) for image in part]
        batches.append(await bulk(user, ids=ids, add=["spam"], remove=["red", "cat"]))
        for image in part[:3]:
            await admin.client.post(f"/v1/images/{image}/tags", json={"tags": ["found"]})
            others.add((image, "found"))
        for image in part[3:5]:
            await admin.client.post(f"/v1/images/{image}/tags", json={"tags": ["cat"]})
            others.add((image, "cat"))
    events = await sql.fetch("SELECT id FROM tag_events WHERE actor = $1 AND tag = 'cat'", admin.id)
    first = await sql.fetchval("SELECT min(at) FROM tag_events WHERE batch = $1", batches[0])
    request = {"actor": str(user.id), "since": first.isoformat()}

    slowest = 0.0
    started = time.monotonic()
    running = asyncio.create_task(revert(admin, **request))
    while not running.done():
        begun = time.monotonic()
        assert (await user.client.get("/v1/images", params={"q": "cat", "limit": 1})).status_code == 200
        slowest = max(slowest, time.monotonic() - begun)
        await asyncio.sleep(0.05)
    result = await running
    seconds = time.monotonic() - started

    assert (result["matched"], result["changed"]) == (IMAGES, IMAGES)
    assert {event["id"] for event in result["conflicts"]} == {event["id"] for event in events}
    assert await explicit(sql) == original | others
    assert seconds < 60, seconds
    assert slowest < 5, slowest
    assert (await revert(admin, **request))["changed"] == 0
    rows = await sql.fetch("SELECT image, tag, is_explicit FROM tagged")
    assert await replay(sql) == {(row["image"], row["tag"]): row["is_explicit"] for row in rows}
    await assert_consistent(admin.client, sql)
