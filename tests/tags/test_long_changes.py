"""While a tag of very many images is changed, other requests succeed or get 503 within seconds."""

import asyncio
import uuid
from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest

from app.audit.audit_log import SERVICE, AuditLog
from app.core.settings import Settings
from app.db.database import Database
from app.tags.changes.bulk_retag import retag_batch, retag_in_batches
from app.tags.changes.tag_change import TagChange
from app.tags.changes.tag_change_repository import _ADVISORY_LOCK
from tests.support.accounts import Account
from tests.support.photos import png
from tests.support.server import running_service
from tests.tags.helpers import assert_consistent, read, upload

pytestmark = pytest.mark.integration

BUSY = (503, "/problems/database-busy")


def outcome(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["type"]


@pytest.fixture
async def changing(user: Account, settings: Settings) -> AsyncIterator[str]:
    """An image whose tag `huge` is being merged: what a merge holds until its commit is held."""
    image: str = (await upload(user, "huge"))["links"]["self"]
    other = await asyncpg.connect(settings.direct_database_url)
    async with other.transaction():
        await other.execute(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})")
        await other.execute("SELECT 1 FROM tags WHERE name = 'huge' FOR UPDATE")
        await other.execute("SELECT 1 FROM images FOR NO KEY UPDATE")
        yield image
    await other.close()


async def test_searches_and_uploads_with_other_tags_go_on(user: Account, changing: str) -> None:
    assert (await upload(user, "small"))["tags"] == ["small"]
    assert [one["links"]["self"] for one in (await read(user.client, "/v1/images", q="huge"))["items"]] == [changing]
    assert (await read(user.client, "/v1/tags/huge"))["images"] == 1


async def test_a_request_for_the_tag_gets_busy(user: Account, changing: str) -> None:
    response = await user.client.post("/v1/images", files={"image": ("a.png", png())}, data={"tags": "huge"})
    assert outcome(response) == BUSY
    assert "retry-after" in response.headers
    assert (await read(user.client, "/v1/images"))["items"][0]["links"]["self"] == changing


async def test_a_request_for_the_image_gets_busy(user: Account, changing: str) -> None:
    assert outcome(await user.client.patch(changing, json={"visibility": "private"})) == BUSY
    assert outcome(await user.client.put(f"{changing}/tags", json={"tags": ["small"]})) == BUSY
    assert outcome(await user.client.delete(changing)) == BUSY


@pytest.mark.usefixtures("changing")
async def test_a_request_for_the_vocabulary_gets_busy(admin: Account) -> None:
    assert outcome(await admin.client.patch("/v1/tags/huge", json={"name": "vast"})) == BUSY


@pytest.mark.usefixtures("changing")
async def test_the_counts_of_other_tags_are_compacted(user: Account, sql: asyncpg.Connection) -> None:
    await upload(user, "small")
    async with asyncio.timeout(60):
        while await sql.fetchval("SELECT image_count FROM tags WHERE name = 'small'") != 1:
            await asyncio.sleep(0.05)
    assert (await read(user.client, "/v1/tags/small"))["images"] == 1


@pytest.fixture
async def many(user: Account, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Five images that have `old`, one of them also `new`; and lots are of two."""
    monkeypatch.setattr("app.tags.changes.bulk_retag.BATCH", 2)
    tags = (["old"], ["old", "new"], ["old"], ["old"], ["old"])
    return [(await upload(user, *names))["links"]["self"] for names in tags]


async def test_a_merge_is_many_transactions(
    user: Account, admin: Account, sql: asyncpg.Connection, many: list[str]
) -> None:
    merged = await admin.client.post("/v1/tags/old/merge", json={"into": "new"})
    assert (merged.status_code, merged.json()["images"]) == (200, 5)
    assert [(await read(user.client, image))["tags"] for image in many] == [["new"]] * 5
    assert await sql.fetchval("SELECT count(DISTINCT xmin::text) FROM images") == 3
    await assert_consistent(user.client, sql)


async def test_an_interrupted_merge_is_right_and_is_completed_by_another(
    user: Account, admin: Account, sql: asyncpg.Connection, database: Database, many: list[str]
) -> None:
    async with database.unit_of_work() as session:
        assert await retag_batch(session, "old", "new", uuid.UUID(int=0))
    found = sorted([(await read(user.client, image))["tags"] for image in many])
    assert found in ([["new"], ["new"], *[["old"]] * 3], [["new"], ["new", "old"], *[["old"]] * 3])
    await assert_consistent(user.client, sql)
    assert (await admin.client.post("/v1/tags/old/merge", json={"into": "new"})).json()["images"] == 5
    assert (await read(user.client, "/v1/tags/old"))["alias_of"] == "new"
    await assert_consistent(user.client, sql)


async def test_an_interrupted_delete_is_right_and_is_completed_by_another(
    user: Account, admin: Account, sql: asyncpg.Connection, database: Database, many: list[str]
) -> None:
    async with database.unit_of_work() as session:
        assert await retag_batch(session, "old", None, uuid.UUID(int=0))
    assert (await read(user.client, "/v1/tags/old"))["images"] == 3
    await assert_consistent(user.client, sql)
    assert (await admin.client.delete("/v1/tags/old")).status_code == 204
    assert (await read(user.client, "/v1/images", q="old"))["items"] == []
    assert len((await read(user.client, "/v1/images"))["items"]) == len(many)
    await assert_consistent(user.client, sql)


async def test_implied_tags_of_a_merged_tag_are_never_missing(
    user: Account, admin: Account, sql: asyncpg.Connection, database: Database, many: list[str]
) -> None:
    await admin.client.put("/v1/tags/old/implications", json={"implies": ["thing"]})

    async def have(tag: str) -> int:
        # Not over HTTP: changes in the test's own database do not invalidate the service's cache.
        having = "SELECT count(*) FROM images WHERE tag_ids @> ARRAY[(SELECT id FROM tags WHERE name = $1)]"
        return int(await sql.fetchval(having, tag))

    await retag_in_batches(database, "old", "new")
    assert (await have("old"), await have("thing")) == (5, 5)
    async with database.unit_of_work() as session:
        change = await TagChange.begin(session, AuditLog(SERVICE, lambda _record: None))
        await change.inherit_implications("new", "old")
    async with database.unit_of_work() as session:
        assert await retag_batch(session, "old", "new", uuid.UUID(int=0))
    assert (await have("old"), await have("thing")) == (3, 5)
    await assert_consistent(user.client, sql)
    await admin.client.post("/v1/tags/old/merge", json={"into": "new"})
    assert [(await read(user.client, image))["tags"] for image in many] == [["new", "thing"]] * 5
    await assert_consistent(user.client, sql)


async def test_a_merge_with_a_cycle_is_one_transaction(
    user: Account, admin: Account, sql: asyncpg.Connection, many: list[str]
) -> None:
    """`new` cannot imply `thing`, which implies `new`. In batches, images would lack a tag meanwhile."""
    await admin.client.post("/v1/tags", json={"names": ["thing"]})
    await admin.client.put("/v1/tags/thing/implications", json={"implies": ["new"]})
    await admin.client.put("/v1/tags/old/implications", json={"implies": ["thing"]})
    merged = await admin.client.post("/v1/tags/old/merge", json={"into": "new"})
    assert (merged.status_code, merged.json()["images"], merged.json()["implies"]) == (200, 5, [])
    assert [(await read(user.client, image))["tags"] for image in many] == [["new"]] * 5
    await assert_consistent(user.client, sql)


async def test_a_change_of_implications_needs_one_connection(admin: Account, settings: Settings) -> None:
    await upload(admin, "cat")
    narrow = settings.model_copy(update={"database_pool_size": 1, "database_max_overflow": 0})
    async with running_service(narrow) as service:
        path = f"{service.url}/v1/tags/cat/implications"
        response = await admin.client.put(path, json={"implies": ["animal"]}, timeout=30)
        assert (response.status_code, response.json()["implies"]) == (200, ["animal"])
