"""kill -9 of the service in the middle of a revert: the same request completes it, and changes no image twice."""

import asyncio
import contextlib
import uuid

import asyncpg
import httpx
import pytest

from app.history.revert_service import BATCH
from tests.faults.conftest import OPEN_TRANSACTIONS, Behind, well_process
from tests.history.replay import assert_replayable
from tests.support.accounts import Account
from tests.tags.helpers import assert_consistent

IMAGES = 3 * BATCH + 100
ADD_IMAGES = """
INSERT INTO images (id, name, storage_key, uploaded_by, content_type, size, width, height, sha256)
SELECT id, id::text, id::text, $2, 'image/png', 1, 1, 1, sha256('x') FROM unnest($1::uuid[]) AS new(id)
"""
EXPLICIT = "SELECT image, name FROM tagged JOIN tags ON tags.id = tag WHERE is_explicit ORDER BY 1, 2"
REVERTED = "SELECT count(DISTINCT image) FROM tag_events WHERE source = 'revert'"
CHANGED_TWICE = """
SELECT count(*) FROM (SELECT FROM tag_events WHERE source = 'revert' GROUP BY image, tag_id HAVING count(*) > 1) AS pair
"""


@pytest.mark.parametrize("hold", ["before", pytest.param("after", marks=pytest.mark.slow)])
async def test_a_revert_that_is_killed_at_a_commit_is_completed_by_the_same_request(
    behind: Behind, user: Account, admin: Account, sql: asyncpg.Connection, hold: str
) -> None:
    images = [uuid.uuid1() for _ in range(IMAGES)]
    await sql.execute(ADD_IMAGES, images, user.id)
    change = {"q": "*", "add": ["cat", "red"], "remove": []}
    assert (await user.client.post("/v1/images/tags", json=change, timeout=60)).status_code == 200
    original = await sql.fetch(EXPLICIT)
    change = {"q": "*", "add": ["spam"], "remove": ["cat"]}
    edit = (await user.client.post("/v1/images/tags", json=change, timeout=60)).json()
    request = {"batch": edit["batch"]}

    async with well_process(behind.settings) as service:
        # A batch takes ten round trips: one of the later commits comes after the first one is seen.
        behind.postgres.set(latency=0.03)
        url = f"{service.url}/v1/history/revert"
        running = asyncio.create_task(user.client.post(url, json=request, timeout=60))
        await until_reverted(sql, BATCH)
        behind.postgres.set(hold_at=b"COMMIT;", hold=hold)
        async with asyncio.timeout(30):
            await behind.postgres.held.wait()
        service.process.kill()
        with contextlib.suppress(httpx.HTTPError):
            await running
    behind.postgres.set()
    behind.postgres.cut()
    async with asyncio.timeout(30):
        while await sql.fetchval(OPEN_TRANSACTIONS):
            await asyncio.sleep(0.02)
    reverted = await sql.fetchval(REVERTED)
    assert reverted in (BATCH, 2 * BATCH, 3 * BATCH)

    result = (await user.client.post("/v1/history/revert", json=request, timeout=60)).json()
    assert (result["matched"], result["changed"]) == (IMAGES, IMAGES - reverted)
    assert result["conflicts"] == result["unrestored"] == []
    assert await sql.fetch(EXPLICIT) == original
    assert await sql.fetchval(CHANGED_TWICE) == 0
    again = (await user.client.post("/v1/history/revert", json=request, timeout=60)).json()
    assert again["changed"] == 0
    await assert_replayable(sql)
    await assert_consistent(admin.client, sql)


async def until_reverted(sql: asyncpg.Connection, images: int) -> None:
    """Wait until this number of images is reverted."""
    async with asyncio.timeout(60):
        while await sql.fetchval(REVERTED) < images:
            await asyncio.sleep(0.02)
