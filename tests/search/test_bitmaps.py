"""Counts and pages by bitmaps, compared with plain Python, before and after updates of the bitmaps."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import event, text
from sqlalchemy.util import await_only

from app.authz.visibility import VisibilityScope
from app.core.settings import Settings
from app.db.database import Database
from app.db.sql_text import BindParameters
from app.models.bitmap import CHUNK
from app.search.bitmap_index.bitmap_queries import CountStatement, count_by_bitmaps
from app.search.bitmap_index.maintenance import BitmapIndexUpdater
from app.search.count import count_exactly, estimate_count
from app.search.executor import SearchEngine
from app.search.language import ast
from app.search.language.parser import parse
from app.search.planning import cost_model
from app.search.planning.bitmap_coverage import is_count_by_bitmaps_cheaper
from app.search.planning.cost_model import CostModel
from app.search.planning.sort_order import SortOrder
from tests.search.collection import NAMES, Picture, matches, pictures, store, visible
from tests.search.queries import RELAXED, in_order, make_search, mapped_queries, nodes, pages, run, scopes
from tests.support.accounts import Account
from tests.support.counters import tallied
from tests.support.server import running_service
from tests.tags.helpers import MISMAPPED, upload

pytestmark = pytest.mark.integration

COMMON = 100
# Changes by writers to one image.
WRITES = (
    "DELETE FROM images WHERE id = :image AND (SELECT count(*) FROM images) > 30",
    "UPDATE images SET visibility = CASE visibility WHEN 'public' THEN 'private' ELSE 'public' END WHERE id = :image",
    "DELETE FROM tagged WHERE image = :image",
    """
    INSERT INTO tagged (tag, image) SELECT t.id, i.id FROM tags t, images i WHERE i.id = :image AND t.id < 9
    ON CONFLICT DO NOTHING""",
    """
    INSERT INTO images (id, name, storage_key, content_type, size, width, height, sha256)
    SELECT new.id, new.id, new.id, content_type, size, width, height, sha256
    FROM images, (SELECT gen_random_uuid() AS id) AS new WHERE images.id = :image""",
)


@pytest.fixture
def updater(database: Database, monkeypatch: pytest.MonkeyPatch) -> BitmapIndexUpdater:
    """An updater that runs on demand. About four images share a chunk."""
    monkeypatch.setattr(cost_model, "COMMON_TAG_IMAGES", COMMON)
    return BitmapIndexUpdater(database, 3600, ordinal_stride=CHUNK // 4)


@pytest.fixture
async def collection(sql: asyncpg.Connection, updater: BitmapIndexUpdater) -> list[Picture]:
    """A collection that has partly changed since its bitmaps were updated."""
    stored = pictures(5, 60)
    await store(sql, stored)
    # Every second tag is common.
    await sql.execute("UPDATE tags SET image_count = 50 + 1000 * (id % 2)")
    await updater.update()
    return await change(sql, stored)


@pytest.mark.usefixtures("collection")
async def test_bitmaps_of_a_new_type_are_added_to_an_existing_index(
    sql: asyncpg.Connection, updater: BitmapIndexUpdater
) -> None:
    await updater.update()
    await sql.execute("UPDATE images SET content_type = 'image/heic' WHERE content_type = 'image/avif'")
    await sql.execute("DELETE FROM tag_bitmaps WHERE tag_id IN (-6, -7)")
    await updater.update()
    assert await sql.fetchval(MISMAPPED) == 0
    stored = await sql.fetchval("SELECT count(*) FROM images WHERE content_type = 'image/heic'")
    counted = "SELECT sum(bit_count(bits)) FROM tag_bitmaps WHERE tag_id = $1"
    assert await sql.fetchval(counted, -7) == stored > 0 == await sql.fetchval(counted, -6)


async def change(sql: asyncpg.Connection, stored: list[Picture]) -> list[Picture]:
    """Delete, add, untag, publish and hide some images; return the collection after that."""
    left = list[Picture]()
    for number, one in enumerate(stored):
        match number % 8:
            case 0:
                await sql.execute("DELETE FROM images WHERE id = $1", one.id)
            case 1:
                await sql.execute("DELETE FROM tagged WHERE image = $1", one.id)
                left.append(replace(one, tags=frozenset()))
            case 2:
                visibility = "public" if one.private else "private"
                await sql.execute("UPDATE images SET visibility = $1 WHERE id = $2", visibility, one.id)
                left.append(replace(one, private=not one.private))
            case 3:
                left += [one, await _copy(sql, one, UUID(int=number))]
            case _:
                left.append(one)
    return left


async def _copy(sql: asyncpg.Connection, one: Picture, id_: UUID) -> Picture:
    await sql.execute(
        "INSERT INTO images "
        "(id, name, storage_key, created_at, uploaded_by, content_type, size, width, height, taken_at, camera, "
        "sha256, visibility) "
        "SELECT $1, name || ' copy', $1::uuid::text, created_at, uploaded_by, content_type, size, width, height, "
        "taken_at, camera, sha256, visibility FROM images WHERE id = $2",
        *(id_, one.id),
    )
    await sql.execute("INSERT INTO tagged (tag, image) SELECT tag, $1 FROM tagged WHERE image = $2", id_, one.id)
    return replace(one, id=id_, name=f"{one.name} copy")


@pytest.mark.parametrize("is_updated", [False, True])
async def test_counts_by_bitmaps_equal_plain_python(
    is_updated: bool,
    collection: list[Picture],
    updater: BitmapIndexUpdater,
    sql: asyncpg.Connection,
    database: Database,
) -> None:
    if is_updated:
        await updater.update()
    assert bool(await sql.fetchval("SELECT count(*) FROM bitmap_index_queue")) is not is_updated
    assert await sql.fetchval("SELECT count(DISTINCT chunk) FROM tag_bitmaps") >= 15
    assert 0 < await sql.fetchval("SELECT count(DISTINCT tag_id) FROM tag_bitmaps WHERE tag_id > 0") < len(NAMES)
    assert await sql.fetchval(MISMAPPED) == 0
    async with database.search_session(1800) as session:

        @hypothesis_settings(RELAXED, max_examples=60)
        @given(query=mapped_queries, scope=scopes)
        async def check(query: ast.Node, scope: VisibilityScope) -> None:
            seen = [one for one in collection if visible(one, scope.principal_id, sees_all=scope.sees_all)]
            expected = sum(matches(query, one, scope.principal_id) for one in seen)
            search = await make_search(session, query, scope)
            # Also for queries that are cheaper to count without bitmaps.
            assert await count_by_bitmaps(session, search.predicates, 5_000) == expected

        await run(check)


@pytest.mark.parametrize(
    ("is_changed", "max_queued", "min_scans"),
    [(False, 1_000, 15), (True, 1_000, 15), pytest.param(True, 0, 1, id="out of date")],
)
@pytest.mark.usefixtures("updater")
async def test_bitmap_scans_equal_plain_python(
    is_changed: bool,
    max_queued: int,
    min_scans: int,
    sql: asyncpg.Connection,
    database: Database,
) -> None:
    # Batches of twenty images from the whole period, so that the times of the chunks overlap.
    updater = BitmapIndexUpdater(database, 3600, batch_size=20, ordinal_stride=CHUNK // 4)
    collection = pictures(6, 60)
    await store(sql, collection)
    await sql.execute("UPDATE tags SET image_count = 1000 WHERE id % 3 > 0")
    await updater.update()
    assert await sql.fetchval("SELECT count(*) FROM bitmap_chunks") >= 15
    if is_changed:
        collection = await change(sql, collection)
    # If no image may be queued, the bitmaps are out of date: a search tries them once, then the other strategies.
    costs = CostModel(
        fetch_at_once=0, probe_rows=2, bitmap_row=0, bitmap_lookup=0, statement=0, max_queued_for_page=max_queued
    )
    engine = SearchEngine(costs=costs)
    async with database.search_session(1800) as session:

        @hypothesis_settings(RELAXED, max_examples=60)
        @given(
            query=nodes, scope=scopes, order=st.sampled_from(["created", "-created"]), limit=st.sampled_from((1, 3, 7))
        )
        async def check(query: ast.Node, scope: VisibilityScope, order: str, limit: int) -> None:
            seen = [one for one in collection if visible(one, scope.principal_id, sees_all=scope.sees_all)]
            expected = [one for one in seen if matches(query, one, scope.principal_id)]
            search = await make_search(session, query, scope, engine)
            assert await pages(search, SortOrder(order), limit) == in_order(SortOrder(order), expected)

        with tallied() as counters:
            await run(check)
    assert sum(step.strategy == "bitmap_scan" for step in counters.search_trace) > min_scans


async def count(database: Database, text: str, max_queued: int = 5_000) -> tuple[int | None, int, int]:
    """Return the counts of a query by bitmaps, by an exact count and by an estimate."""
    async with database.search_session() as session:
        engine = SearchEngine(costs=CostModel(max_queued_for_count=max_queued))
        search = await make_search(session, parse(text), VisibilityScope(), engine)
        by_bitmaps = None
        if is_count_by_bitmaps_cheaper(search.predicates):
            by_bitmaps = await count_by_bitmaps(session, search.predicates, max_queued)
        return by_bitmaps, await count_exactly(session, search), await estimate_count(session, search)


async def test_counts_without_usable_bitmaps_are_exact_as_well(
    updater: BitmapIndexUpdater, sql: asyncpg.Connection, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cost_model, "COMMON_TAG_IMAGES", 5)
    await store(sql, pictures(5, 60))
    _, cats, _ = await count(database, "-cat")
    # There are no bitmaps yet.
    assert await count(database, "-cat") == (None, cats, cats)
    await updater.update()
    assert await count(database, "-cat") == (cats, cats, cats)
    # Other filters, and "n of k" with too many combinations.
    assert (await count(database, "-cat width:1"))[0] is None
    assert (await count(database, "6-of:(-cat -dog -sofa -cattle -unused -a_b -axb -x:y -kitty -cow -c* -d*)"))[
        0
    ] is None
    # Too many images are queued.
    await sql.execute("UPDATE images SET visibility = 'private' WHERE NOT tag_ids @> ARRAY[1]")
    assert await count(database, "-cat") == (0, 0, 0)
    assert await count(database, "-cat", max_queued=0) == (None, 0, 0)


async def test_tags_get_bitmaps_when_they_become_common_and_lose_them_when_they_are_rare(
    updater: BitmapIndexUpdater, sql: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def mapped() -> set[int]:
        return {tag for (tag,) in await sql.fetch("SELECT DISTINCT tag_id FROM tag_bitmaps WHERE tag_id > 0")}

    monkeypatch.setattr(cost_model, "COMMON_TAG_IMAGES", 1_000)
    await store(sql, pictures(5, 60))
    await updater.update()
    assert await mapped() == set()
    monkeypatch.setattr(cost_model, "COMMON_TAG_IMAGES", 5)
    await updater.update()
    assert 1 in await mapped()
    assert await sql.fetchval(MISMAPPED) == 0
    await sql.execute("UPDATE tags SET image_count = 4 WHERE id = 1")
    await updater.update()
    assert 1 in await mapped()
    await sql.execute("UPDATE tags SET image_count = 1 WHERE id = 1")
    await updater.update()
    assert 1 not in await mapped()


async def test_an_update_empties_the_queue_in_batches(database: Database, sql: asyncpg.Connection) -> None:
    updater = BitmapIndexUpdater(database, 3600, batch_size=7)
    await store(sql, pictures(5, 60))
    await updater.update()
    assert await sql.fetchval("SELECT count(*) FROM bitmap_index_queue") == 0
    assert await sql.fetchval("SELECT sum(bit_count(bits)) FROM tag_bitmaps WHERE tag_id = 0") == 60


@asynccontextmanager
async def repeating(*jobs: Callable[[], Awaitable[object]]) -> AsyncIterator[None]:
    """Repeat these concurrently while the block runs."""

    async def again(job: Callable[[], Awaitable[object]]) -> None:
        while not ended.is_set():
            await job()

    ended = asyncio.Event()
    tasks = [asyncio.create_task(again(job)) for job in jobs]
    try:
        yield
    finally:
        ended.set()
        await asyncio.gather(*tasks)


@pytest.mark.parametrize("rounds", [100, pytest.param(1000, marks=pytest.mark.slow)])
async def test_counts_are_exact_during_writes_and_updates(
    updater: BitmapIndexUpdater, sql: asyncpg.Connection, database: Database, settings: Settings, rounds: int
) -> None:
    await store(sql, pictures(5, 60))
    await sql.execute("UPDATE tags SET image_count = 50 + 1000 * (id % 2)")
    await updater.update()
    async with database.search_session() as session:
        search = await make_search(session, parse("-cat (dog OR sofa)"), VisibilityScope())
    by_bitmaps, values = CountStatement(search.predicates, 5_000), BindParameters()
    plain = f"SELECT count(*) FROM images WHERE {search.predicates.visible_condition(values)}"  # noqa: S608
    dice = random.Random(1)

    async def write() -> None:
        async with database.unit_of_work() as session:
            image = await session.scalar(text("SELECT id FROM images ORDER BY random() LIMIT 1 FOR UPDATE"))
            await session.execute(text(dice.choice(WRITES)), {"image": image})
            await asyncio.sleep(dice.choice((0, 0.01)))

    reader = await asyncpg.connect(settings.direct_database_url)
    seen = set[int]()
    async with repeating(write, write, write, updater.update, updater.update), asyncio.timeout(60):
        for _ in range(rounds):
            async with reader.transaction(isolation="repeatable_read"):
                counted = await reader.fetchval(by_bitmaps.text, *by_bitmaps.values.values)
                assert counted == await reader.fetchval(plain, *values.values)
                seen.add(counted)
    await reader.close()
    assert len(seen) > 3
    await updater.update()
    assert await sql.fetchval(MISMAPPED) == 0


@pytest.mark.parametrize("step", ["INSERT INTO bitmap_ordinals", "WITH taken", "DELETE FROM bitmap_ordinals"])
async def test_an_image_that_is_deleted_during_an_update_is_not_counted(
    step: str, updater: BitmapIndexUpdater, sql: asyncpg.Connection, database: Database
) -> None:
    await store(sql, pictures(5, 60))

    def delete_before(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.strip().startswith(step):
            await_only(sql.execute("DELETE FROM images"))

    event.listen(database.engine.sync_engine, "before_cursor_execute", delete_before)
    try:
        await updater.update()
    finally:
        event.remove(database.engine.sync_engine, "before_cursor_execute", delete_before)
    assert await sql.fetchval("SELECT count(*) FROM bitmap_index_queue") == 60
    await updater.update()
    assert await sql.fetchval("SELECT coalesce(sum(bit_count(bits)), 0) FROM tag_bitmaps") == 0
    assert await sql.fetchval("SELECT count(*) FROM bitmap_ordinals") == 0


async def test_the_service_updates_the_bitmaps_in_the_background(
    user: Account, settings: Settings, sql: asyncpg.Connection
) -> None:
    await upload(user, "cat")
    async with (
        running_service(settings.model_copy(update={"bitmap_index_update_interval_seconds": 0.05})),
        asyncio.timeout(10),
    ):
        while await sql.fetchval("SELECT bit_count(bits) FROM tag_bitmaps WHERE tag_id = 0") != 1:
            await asyncio.sleep(0.02)
        await sql.execute("DELETE FROM images")
        while await sql.fetchval("SELECT count(*) FROM bitmap_ordinals"):
            await asyncio.sleep(0.02)
