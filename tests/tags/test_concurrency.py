"""Many at once on the same tags: nothing deadlocks, waits for a stranger's commit, or gets lost."""

import asyncio
import random
from typing import Any

import asyncpg
import httpx
import pytest
from sqlalchemy import text

from app.core.settings import Settings
from app.db.database import Database
from app.search.bitmap_index.maintenance import BitmapIndexUpdater
from app.search.planning import cost_model
from app.tags.count_compaction import TagCountCompactor
from app.tags.image_tag_repository import ImageTagRepository
from tests.support.accounts import Account
from tests.tags.helpers import assert_consistent, read, upload

pytestmark = pytest.mark.integration

CLIENTS = 32
WORDS = [f"word {number}" for number in range(50)]


async def test_32_clients_add_overlapping_tags_in_any_order(
    user: Account, sql: asyncpg.Connection, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cost_model, "COMMON_TAG_IMAGES", 1)
    images = [await upload(user) for _ in range(8)]
    user.client.timeout = httpx.Timeout(60)
    dice = random.Random(5)
    folder, bitmaps = TagCountCompactor(database, 1), BitmapIndexUpdater(database, 1)

    async def post(path: str, part: list[str]) -> None:
        while (response := await user.client.post(path, json={"tags": part})).status_code == 503:
            # With this load, a request may get no connection or image lock in time.
            assert response.json()["type"] in ("/problems/database-unavailable", "/problems/database-busy")
        assert response.status_code == 200, response.text

    async def add(number: int) -> None:
        path = f"{images[number % 8]['links']['self']}/tags"
        words = dice.sample(WORDS, len(WORDS))
        parts = [words[start : start + 25] for start in range(0, len(words), 25)]
        for part in parts:
            await post(path, part)

    folds = (update() for update in (folder.compact, bitmaps.update) * 5)
    await asyncio.gather(*(add(number) for number in range(CLIENTS)), *folds)
    await folder.compact()
    await assert_consistent(user.client, sql)
    await bitmaps.update()
    await assert_consistent(user.client, sql)
    assert (await read(user.client, "/v1/tags/word 7"))["images"] == 8


async def test_uploads_during_merges_renames_and_deletes_leave_nothing_behind(
    user: Account, admin: Account, sql: asyncpg.Connection
) -> None:
    async def change(method: str, path: str, **body: Any) -> int:
        return (await admin.client.request(method, path, json=body or None)).status_code

    async def uploads() -> list[dict[str, Any]]:
        return [await upload(user, "old", "kept", "gone", "named") for _ in range(12)]

    async def changes() -> None:
        for _ in range(6):
            await upload(user, "gone", "named", "young")
            assert await change("PUT", "/v1/tags/young/implications", implies=["any age"]) == 200
            assert await change("DELETE", "/v1/tags/gone") in (204, 404)
            assert await change("PATCH", "/v1/tags/named", name="renamed") in (200, 404, 409)
            assert await change("PUT", "/v1/tags/young/implications", implies=[]) == 200
        assert await change("POST", "/v1/tags/old/merge", into="new name") in (200, 404)

    await user.client.post("/v1/tags", json={"names": ["new name", "old"]})
    uploaded, *_ = await asyncio.gather(uploads(), changes(), uploads())
    await assert_consistent(user.client, sql)
    assert len(uploaded) == 12
    assert await sql.fetchval("SELECT count(*) FROM tagged g JOIN tags t ON t.id = g.tag WHERE t.name = 'old'") == 0
    assert (await read(user.client, "/v1/tags/new name"))["images"] == 24


async def test_an_upload_does_not_wait_for_the_commit_of_another_with_the_same_new_tag(
    user: Account, settings: Settings
) -> None:
    other = await asyncpg.connect(settings.direct_database_url)
    await upload(user, "fresh")
    transaction = other.transaction()
    await transaction.start()
    # Another upload holds its rows in tagged until its commit, and so a lock on the tag.
    image = await other.fetchval("SELECT id FROM images")
    await other.execute("UPDATE tagged SET created_at = now() WHERE image = $1", image)
    await other.execute("SELECT 1 FROM tags WHERE name = 'fresh' FOR KEY SHARE")
    assert (await asyncio.wait_for(upload(user, "fresh"), 3))["tags"] == ["fresh"]
    await transaction.rollback()
    await other.close()


async def test_adding_a_tag_does_not_read_all_tags(sql: asyncpg.Connection, database: Database) -> None:
    await sql.execute("INSERT INTO tags (name) SELECT 'tag ' || number FROM generate_series(1, 5000) AS number")
    await sql.execute("INSERT INTO tags (name, alias_of) SELECT 'alias', id FROM tags WHERE name = 'tag 7'")
    await sql.execute("ANALYZE tags")
    # The rows that the connection has read, not all of them in this transaction.
    read = text("SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'tags'")
    async with database.unit_of_work() as session:
        before = await session.scalar(read)
        held = await ImageTagRepository(session).lock_tags(["alias", "tag 9"])
        assert 0 < await session.scalar(read) - before < 20
    assert held is not None
    names = await sql.fetch("SELECT name FROM tags WHERE id = ANY($1) ORDER BY name", held.explicit)
    assert [row["name"] for row in names] == ["tag 7", "tag 9"]
