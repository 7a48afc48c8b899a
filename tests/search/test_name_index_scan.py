"""Pages by the names that fit a glob, compared with plain Python."""

from itertools import product

import asyncpg
import pytest

from app.authz.visibility import VisibilityScope
from app.db.asyncpg_queries import fetch
from app.db.database import Database
from app.db.sql_text import BindParameters, sql_and
from app.models.image import week
from app.search.language import ast
from app.search.planning.cost_model import CostModel
from app.search.planning.glob import Glob
from app.search.planning.planned_query import PlannedQuery
from app.search.planning.planner import ALL_ROWS
from app.search.planning.predicates import QueryPredicates
from app.search.planning.sort_order import SortOrder
from app.search.planning.tag_resolution import ResolvedTags
from app.search.strategies.name_index_scan import NameIndexScan
from tests.search.collection import NOW, matches, pictures, store, visible
from tests.search.queries import in_order

pytestmark = pytest.mark.integration

STARTS = ("", "i", "img ", "100%", "a_b ?")
MIDDLES = ("*", "*1*", "?*", "*\\*")
ENDS = ("", "g", "4.png", "?.png", " ß🖼", "🖼", "x", "\U0010ffffx", "\U0010ffff")


@pytest.mark.parametrize("sort", ["created", "-created"])
async def test_names_are_found_from_either_end(sql: asyncpg.Connection, database: Database, sort: str) -> None:
    order, strategy, looked = SortOrder(sort), NameIndexScan(CostModel()), 0
    collection = pictures(5, 300)
    await store(sql, collection)
    async with database.search_session(1800) as session:
        for pattern in map("".join, product(STARTS, MIDDLES, ENDS)):
            query = ast.Filter("name", (pattern,))
            fitting = [one for one in collection if visible(one, None, sees_all=False) and matches(query, one, None)]
            planned = PlannedQuery(QueryPredicates(query, ResolvedTags({}, {}), VisibilityScope(), NOW), order)
            is_supported = strategy.supports(planned)
            looked += len(fitting) if is_supported else 0
            page = await strategy.fetch(session, planned, None, ALL_ROWS, len(collection))
            assert page.is_complete == is_supported
            assert not is_supported or [one.id for one in page.rows] == in_order(order, fitting), pattern
    assert looked > 1_000


@pytest.mark.parametrize(
    ("pattern", "index"), [("*4.png", "ix_images_week_reversed_name"), ("i*", "ix_images_week_name")]
)
async def test_either_end_of_a_name_is_an_index_only_scan(
    sql: asyncpg.Connection, database: Database, pattern: str, index: str
) -> None:
    await store(sql, pictures(5, 300))
    await sql.execute("VACUUM images")
    glob, values = Glob(pattern), BindParameters()
    condition = sql_and([f"{week('created_at')} = '2026-11-02'", glob.sql(values), glob.suffix_range(values)])
    statement = f"EXPLAIN SELECT id, created_at FROM images WHERE {condition}"  # noqa: S608
    async with database.search_session(1800) as session:
        plan = [row[0] for row in await fetch(session, statement, values.values)]
    assert f"Index Only Scan using {index} " in plan[0]
    assert "Index Cond" in plan[1]
    assert "name" in plan[1]
