"""Pages by the time at which images were taken, compared with plain Python."""

import asyncpg
import pytest

from app.authz.visibility import VisibilityScope
from app.db.asyncpg_queries import fetch
from app.db.database import Database
from app.db.sql_text import BindParameters
from app.search.language import ast
from app.search.planning.cost_model import CostModel
from app.search.planning.planned_query import PlannedQuery
from app.search.planning.planner import ALL_ROWS
from app.search.planning.predicates import QueryPredicates
from app.search.planning.sort_order import SortOrder
from app.search.planning.tag_resolution import ResolvedTags
from app.search.strategies.strategy import UNAVAILABLE
from app.search.strategies.taken_index_scan import TakenIndexScan
from tests.search.collection import NOW, matches, pictures, store, visible
from tests.search.queries import in_order

PERIODS = ("2026", "2026-11-05", "2026-11-03..2026-11-07", ">2026-11-08", "..9999-12-31", "..2026-11-02", "2027")


@pytest.mark.parametrize("sort", ["created", "-created"])
async def test_a_period_is_found_page_by_page(sql: asyncpg.Connection, database: Database, sort: str) -> None:
    order, strategy, looked = SortOrder(sort), TakenIndexScan(CostModel()), 0
    collection = pictures(5, 300)
    await store(sql, collection)
    async with database.search_session(1800) as session:
        for period in PERIODS:
            query = ast.Filter("taken", (period,))
            fitting = [one for one in collection if visible(one, None, sees_all=False) and matches(query, one, None)]
            planned = PlannedQuery(QueryPredicates(query, ResolvedTags({}, {}), VisibilityScope(), NOW), order)
            assert strategy.supports(planned)
            first = await strategy.fetch(session, planned, None, ALL_ROWS, 7)
            rest = []
            if len(first.rows) == 7:
                after = order.key_of(first.rows[-1])
                rest = list((await strategy.fetch(session, planned, after, ALL_ROWS, len(collection))).rows)
            assert [one.id for one in (*first.rows, *rest)] == in_order(order, fitting), period
            looked += len(fitting)
    assert looked > 300


async def test_a_scan_that_does_not_fill_the_page_is_unavailable(sql: asyncpg.Connection, database: Database) -> None:
    await store(sql, pictures(5, 300))
    query = ast.And((ast.Filter("taken", ("2026",)), ast.Filter("width", ("7",))))
    planned = PlannedQuery(QueryPredicates(query, ResolvedTags({}, {}), VisibilityScope(), NOW), SortOrder("-created"))
    async with database.search_session(1800) as session:
        scan = TakenIndexScan(CostModel(max_taken=20))
        assert await scan.fetch(session, planned, None, ALL_ROWS, 7) == UNAVAILABLE


async def test_images_of_other_cameras_are_not_looked_up(sql: asyncpg.Connection, database: Database) -> None:
    collection = pictures(5, 300)
    await store(sql, collection)
    query = ast.And((ast.Filter("taken", ("2026",)), ast.Filter("camera", ("*on*",))))
    found = [one for one in collection if matches(query, one, None)]
    fitting = [one for one in found if visible(one, None, sees_all=False)]
    order = SortOrder("-created")
    planned = PlannedQuery(QueryPredicates(query, ResolvedTags({}, {}), VisibilityScope(), NOW), order)
    async with database.search_session(1800) as session:
        page = await TakenIndexScan(CostModel(max_taken=len(found))).fetch(session, planned, None, ALL_ROWS, 299)
    assert 5 < len(found) < 250
    assert [one.id for one in page.rows] == in_order(order, fitting)


@pytest.mark.parametrize(
    ("condition", "index"),
    [
        ("taken_at IS NOT NULL ORDER BY taken_at DESC, id DESC", "ix_images_taken_at_id"),
        ("taken_at IS NULL AND id > $1 ORDER BY taken_at, id", "ix_images_taken_at_id"),
        ("camera IS NOT NULL AND camera = 'x' ORDER BY created_at DESC, id DESC", "ix_images_camera_created_at_id"),
    ],
)
async def test_an_order_is_that_of_an_index(
    sql: asyncpg.Connection, database: Database, condition: str, index: str
) -> None:
    await store(sql, pictures(5, 300))
    values = BindParameters()
    if "$1" in condition:
        values.bind(pictures(5, 1)[0].id)
    async with database.search_session(1800) as session:
        await fetch(session, "SET LOCAL enable_seqscan = off", ())
        statement = f"EXPLAIN SELECT * FROM images WHERE {condition} LIMIT 5"  # noqa: S608 - of constants
        plan = "\n".join(row[0] for row in await fetch(session, statement, values.values))
    assert index in plan
    assert "Sort" not in plan
