"""Counts by bitmaps are what plain Python counts, whatever the bitmaps know already."""

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

from app.authz.visibility import Sight
from app.core.settings import Settings
from app.db.database import Database
from app.db.sql_text import Values, all_true
from app.models.bitmap import CHUNK
from app.search import executor as engine
from app.search.bitmap_index import maintenance, queries
from app.search.bitmap_index.maintenance import BitmapIndexUpdater
from app.search.bitmap_index.queries import CountStatement
from app.search.count import count_exactly, estimate
from app.search.language import ast
from app.search.language.parser import parse
from app.search.planning import cost_model
from app.search.planning.predicates import QueryPredicates
from app.search.planning.sort_order import SortOrder
from app.search.planning.tag_resolution import resolve_tags
from app.search.strategies import bitmap_scan
from app.search.strategies.bitmap_scan import BitmapScan
from tests.accounts import Account
from tests.search.collection import NAMES, NOW, Picture, matches, pictures, store, visible
from tests.search.queries import RELAXED, in_order, make_search, mapped_queries, nodes, pages, run, sights
from tests.server import running_service
from tests.tags.library import MISMAPPED, upload

COMMON = 100
# What writers do to some image.
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
async def folder(database: Database, monkeypatch: pytest.MonkeyPatch) -> BitmapIndexUpdater:
    """What maps the images, by hand."""
    monkeypatch.setattr(maintenance, "COMMON", COMMON)
    return BitmapIndexUpdater(database, 3600)


@pytest.fixture
def few_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Number the images so that about four of them share a chunk."""
    sparse = maintenance._NUMBER.text.replace("row_number()", f"{CHUNK // 4} * row_number()")
    monkeypatch.setattr(maintenance, "_NUMBER", text(sparse))


@pytest.fixture
async def collection(sql: asyncpg.Connection, folder: BitmapIndexUpdater, few_a_chunk: None) -> list[Picture]:  # noqa: ARG001
    """A collection of which a part has changed since it was mapped."""
    stored = pictures(5, 60)
    await store(sql, stored)
    # Every second tag is taken for a common one.
    await sql.execute("UPDATE tags SET image_count = 50 + 1000 * (id % 2)")
    await folder.fold()
    return await change(sql, stored)


async def change(sql: asyncpg.Connection, stored: list[Picture]) -> list[Picture]:
    """Delete, add, untag, show and hide some images; return what there is then."""
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
        "(id, name, storage_key, created_at, uploaded_by, content_type, size, width, height, sha256, visibility) "
        "SELECT $1, name || ' copy', $1::uuid::text, created_at, uploaded_by, content_type, size, width, height, "
        "sha256, visibility FROM images WHERE id = $2",
        *(id_, one.id),
    )
    await sql.execute("INSERT INTO tagged (tag, image) SELECT tag, $1 FROM tagged WHERE image = $2", id_, one.id)
    return replace(one, id=id_, name=f"{one.name} copy")


@pytest.mark.parametrize("folded", [False, True])
async def test_they_count_what_plain_python_counts(
    folded: bool,
    collection: list[Picture],
    folder: BitmapIndexUpdater,
    sql: asyncpg.Connection,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if folded:
        await folder.fold()
    assert bool(await sql.fetchval("SELECT count(*) FROM bitmap_index_queue")) is not folded
    assert await sql.fetchval("SELECT count(DISTINCT chunk) FROM tag_bitmaps") >= 15
    assert 0 < await sql.fetchval("SELECT count(DISTINCT tag_id) FROM tag_bitmaps WHERE tag_id > 0") < len(NAMES)
    assert await sql.fetchval(MISMAPPED) == 0
    # Also where something else is shorter.
    monkeypatch.setattr(queries, "_is_shorter", lambda _plan: True)
    async with database.searcher(1800) as session:

        @hypothesis_settings(RELAXED, max_examples=150)
        @given(query=mapped_queries, sight=sights)
        async def check(query: ast.Node, sight: Sight) -> None:
            seen = [one for one in collection if visible(one, sight.viewer_id, sees_all=sight.sees_all)]
            expected = sum(matches(query, one, sight.viewer_id) for one in seen)
            search = await make_search(session, query, sight)
            assert await search.count_by_bitmaps() == expected

        await run(check)


@pytest.mark.parametrize(
    ("changed", "most_unmapped", "uses"),
    [(False, 1_000, 100), (True, 1_000, 100), pytest.param(True, 0, 5, id="behind")],
)
@pytest.mark.usefixtures("few_a_chunk")
async def test_pages_by_them_are_what_plain_python_finds(
    changed: bool,
    most_unmapped: int,
    uses: int,
    folder: BitmapIndexUpdater,
    sql: asyncpg.Connection,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Mapped in batches of twenty from all of the time, so that the chunks' times overlap.
    monkeypatch.setattr(maintenance, "BATCH", 20)
    collection = pictures(6, 60)
    await store(sql, collection)
    await sql.execute("UPDATE tags SET image_count = 1000 WHERE id % 3 > 0")
    await folder.fold()
    assert await sql.fetchval("SELECT count(*) FROM bitmap_chunks") >= 15
    if changed:
        collection = await change(sql, collection)
    # With none allowed the bitmaps are behind: a search asks them once, and goes the other ways.
    monkeypatch.setattr(bitmap_scan, "MOST_UNMAPPED", most_unmapped)
    monkeypatch.setattr(engine, "GATHERED_AT_ONCE", 0)
    monkeypatch.setattr(engine, "SHORT_WALK", 2)
    for cost in ("_CHUNK_ROW", "_NAMED", "_STATEMENT"):
        monkeypatch.setattr(cost_model, cost, 0)
    used = 0

    async def count_uses(*arguments: Any) -> Any:
        nonlocal used
        used += 1
        return await page(*arguments)

    page = BitmapScan.page
    monkeypatch.setattr(BitmapScan, "page", count_uses)
    async with database.searcher(1800) as session:

        @hypothesis_settings(RELAXED, max_examples=150)
        @given(
            query=nodes, sight=sights, order=st.sampled_from(["created", "-created"]), limit=st.sampled_from((1, 3, 7))
        )
        async def check(query: ast.Node, sight: Sight, order: str, limit: int) -> None:
            seen = [one for one in collection if visible(one, sight.viewer_id, sees_all=sight.sees_all)]
            expected = [one for one in seen if matches(query, one, sight.viewer_id)]
            search = await make_search(session, query, sight)
            assert await pages(search, SortOrder(order), limit) == in_order(SortOrder(order), expected)

        await run(check)
    assert used > uses


async def count(database: Database, text: str) -> tuple[int | None, int, int]:
    """Return what the bitmaps, an exact count and an estimate tell of a query."""
    async with database.searcher() as session:
        search = await make_search(session, parse(text), Sight())
        return await search.count_by_bitmaps(), await count_exactly(session, search), await estimate(session, search)


async def test_what_they_cannot_tell_is_counted_otherwise(
    folder: BitmapIndexUpdater, sql: asyncpg.Connection, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "COMMON", 5)
    await store(sql, pictures(5, 60))
    _, cats, _ = await count(database, "-cat")
    # Nothing is mapped yet.
    assert await count(database, "-cat") == (None, cats, cats)
    await folder.fold()
    assert await count(database, "-cat") == (cats, cats, cats)
    # Other filters, and choices of very many ways.
    assert (await count(database, "-cat width:1"))[0] is None
    assert (await count(database, "6-of:(-cat -dog -sofa -cattle -unused -a_b -axb -x:y -kitty -cow -c* -d*)"))[
        0
    ] is None
    # Too far behind.
    await sql.execute("UPDATE images SET visibility = 'private' WHERE NOT tag_ids @> ARRAY[1]")
    assert await count(database, "-cat") == (0, 0, 0)
    monkeypatch.setattr(queries, "MOST_UNMAPPED", 0)
    assert await count(database, "-cat") == (None, 0, 0)


async def test_tags_get_bitmaps_when_they_become_common_and_lose_them_when_they_are_rare(
    folder: BitmapIndexUpdater, sql: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def mapped() -> set[int]:
        return {tag for (tag,) in await sql.fetch("SELECT DISTINCT tag_id FROM tag_bitmaps WHERE tag_id > 0")}

    monkeypatch.setattr(maintenance, "COMMON", 1_000)
    await store(sql, pictures(5, 60))
    await folder.fold()
    assert await mapped() == set()
    monkeypatch.setattr(maintenance, "COMMON", 5)
    await folder.fold()
    assert 1 in await mapped()
    assert await sql.fetchval(MISMAPPED) == 0
    await sql.execute("UPDATE tags SET image_count = 4 WHERE id = 1")
    await folder.fold()
    assert 1 in await mapped()
    await sql.execute("UPDATE tags SET image_count = 1 WHERE id = 1")
    await folder.fold()
    assert 1 not in await mapped()


async def test_a_batch_after_the_other_is_mapped(
    folder: BitmapIndexUpdater, sql: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "BATCH", 7)
    await store(sql, pictures(5, 60))
    await folder.fold()
    assert await sql.fetchval("SELECT count(*) FROM bitmap_index_queue") == 0
    assert await sql.fetchval("SELECT sum(bit_count(bits)) FROM tag_bitmaps WHERE tag_id = 0") == 60


@asynccontextmanager
async def beside(*jobs: Callable[[], Awaitable[object]]) -> AsyncIterator[None]:
    """Do these again and again, all at once, while the block runs."""

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


async def test_they_are_exact_at_every_moment(
    folder: BitmapIndexUpdater, sql: asyncpg.Connection, database: Database, settings: Settings
) -> None:
    await store(sql, pictures(5, 60))
    await sql.execute("UPDATE tags SET image_count = 50 + 1000 * (id % 2)")
    await folder.fold()
    async with database.searcher() as session:
        plan = QueryPredicates(
            parse("-cat (dog OR sofa)"), await resolve_tags(session, parse("cat dog sofa"), Sight()), None, NOW
        )
    counting = CountStatement(plan, Sight())
    values = Values()
    plain = f"SELECT count(*) FROM images WHERE {all_true([plan.condition(values), Sight().sql(values)])}"  # noqa: S608
    dice = random.Random(1)

    async def write() -> None:
        async with database.unit_of_work() as session:
            image = await session.scalar(text("SELECT id FROM images ORDER BY random() LIMIT 1 FOR UPDATE"))
            await session.execute(text(dice.choice(WRITES)), {"image": image})
            await asyncio.sleep(dice.choice((0, 0.01)))

    reader = await asyncpg.connect(settings.database_url.get_secret_value())
    seen = set[int]()
    async with beside(write, write, write, folder.fold, folder.fold), asyncio.timeout(60):
        for _ in range(300):
            async with reader.transaction(isolation="repeatable_read"):
                counted = await reader.fetchval(counting.text, *counting.values.listed)
                assert counted == await reader.fetchval(plain, *values.listed)
                seen.add(counted)
    await reader.close()
    assert len(seen) > 3
    await folder.fold()
    assert await sql.fetchval(MISMAPPED) == 0


@pytest.mark.parametrize("step", ["INSERT INTO bitmap_ordinals", "WITH taken", "DELETE FROM bitmap_ordinals"])
async def test_an_image_that_is_deleted_while_it_is_mapped_is_not_counted(
    step: str, folder: BitmapIndexUpdater, sql: asyncpg.Connection, database: Database
) -> None:
    await store(sql, pictures(5, 60))

    def delete_before(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.strip().startswith(step):
            await_only(sql.execute("DELETE FROM images"))

    event.listen(database.engine.sync_engine, "before_cursor_execute", delete_before)
    try:
        await folder.fold()
    finally:
        event.remove(database.engine.sync_engine, "before_cursor_execute", delete_before)
    assert await sql.fetchval("SELECT count(*) FROM bitmap_index_queue") == 60
    await folder.fold()
    assert await sql.fetchval("SELECT coalesce(sum(bit_count(bits)), 0) FROM tag_bitmaps") == 0
    assert await sql.fetchval("SELECT count(*) FROM bitmap_ordinals") == 0


async def test_the_service_maps_images_by_itself(user: Account, settings: Settings, sql: asyncpg.Connection) -> None:
    await upload(user, "cat")
    async with running_service(settings.model_copy(update={"tag_bitmap_interval_seconds": 0.05})), asyncio.timeout(10):
        while await sql.fetchval("SELECT bit_count(bits) FROM tag_bitmaps WHERE tag_id = 0") != 1:
            await asyncio.sleep(0.02)
        await sql.execute("DELETE FROM images")
        while await sql.fetchval("SELECT count(*) FROM bitmap_ordinals"):
            await asyncio.sleep(0.02)
