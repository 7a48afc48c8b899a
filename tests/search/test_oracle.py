"""The search, compared with an evaluation in plain Python over random queries and collections."""

from dataclasses import replace
from typing import Any

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.authz.visibility import VisibilityScope
from app.db.database import Database
from app.db.sql_text import BindParameters
from app.search.count import MatchCount, count_cheaply, count_exactly, estimate_count
from app.search.errors import InvalidQuery
from app.search.executor import SearchEngine
from app.search.language import ast
from app.search.language.ast import format_query
from app.search.language.parser import parse
from app.search.planning.cost_model import CostModel
from app.search.planning.sort_order import SortOrder
from app.search.planning.table_sample import take_sample
from tests.search.collection import OWNERS, matches, pictures, store, visible
from tests.search.queries import RELAXED, in_order, make_search, nodes, pages, run, scopes, sorts
from tests.support.examples import examples

TREES, MANY_TREES = 40, 1_000
# Estimates from every second page of the table, without exact counts.
SAMPLING = SearchEngine(costs=CostModel(count_up_to=-1, count_sample=450, min_sample_matches=0))
PICTURES = pictures(1, 20)
MANY = (pytest.mark.slow, pytest.mark.timeout(1800))


def engine_with(scan: int, fetch: int, *, prefers_ranges: bool = False, strategies: Any = None) -> SearchEngine:
    """Return an engine with scans of `scan` rows and fetches of `fetch` matches at most."""
    costs = CostModel(
        fetch_at_once=fetch,
        sample_above=fetch,
        probe_rows=scan,
        longest_scan_in_creation_order=4 * scan,
        longest_scan_in_other_order=2 * scan,
        longest_scan_unindexed=4 * scan,
        fetch_before_names=fetch,
        few_names=scan,
        few_names_with_both_ends=scan,
        max_names=2 * scan,
    )
    if prefers_ranges:
        costs = replace(
            costs,
            range_row=0,
            statement=0,
            index_entry=0,
            scan_row_in_creation_order=100,
            scan_row_in_other_order=100,
        )
    return SearchEngine(strategies, costs)


# Scans that end early, so that several strategies find a page together; the same with a preference for range fetches;
# the constants of the service.
SHORT, RANGES, DEFAULT = engine_with(7, 0), engine_with(7, 0, prefers_ranges=True), engine_with(10_000, 1_500)
BASIC = engine_with(7, 0, strategies=("ordered_scan", "fetch_and_sort"))


@pytest.mark.parametrize(
    ("engine", "trees"),
    [
        pytest.param(SHORT, TREES, id="short"),
        pytest.param(RANGES, TREES, id="ranges"),
        pytest.param(DEFAULT, TREES, id="default"),
        pytest.param(BASIC, TREES, id="basic strategies"),
        pytest.param(SHORT, MANY_TREES, marks=MANY, id="short, many"),
        pytest.param(RANGES, MANY_TREES, marks=MANY, id="ranges, many"),
        pytest.param(DEFAULT, MANY_TREES, marks=MANY, id="default, many"),
        pytest.param(BASIC, MANY_TREES, marks=MANY, id="basic strategies, many"),
    ],
)
async def test_every_query_equals_plain_python(
    sql: asyncpg.Connection, database: Database, engine: SearchEngine, trees: int
) -> None:
    collection = pictures(7, 60)
    await store(sql, collection)
    async with database.search_session(1800) as session:

        @settings(RELAXED, max_examples=trees)
        @given(query=nodes, scope=scopes, sort=sorts, limit=st.sampled_from((1, 3, 7, 100)))
        async def check(query: ast.Node, scope: VisibilityScope, sort: str, limit: int) -> None:
            seen = [one for one in collection if visible(one, scope.principal_id, sees_all=scope.sees_all)]
            expected = [one for one in seen if matches(query, one, scope.principal_id)]
            order = SortOrder(sort)
            search = await make_search(session, query, scope, engine)
            assert await pages(search, order, max(limit, 1 + len(expected) // 4)) == in_order(order, expected)
            assert await count_exactly(session, search) == await estimate_count(session, search) == len(expected)
            assert await count_cheaply(session, search) == MatchCount(len(expected), "exact")

        await run(check)


@pytest.mark.parametrize(
    "text", ["cat", "-cat", "type:png -dog", "date:2026-11-05..2026-11-12", "cat OR date:2026-11-20"]
)
async def test_a_sample_of_the_pages_estimates_the_number_of_matches(
    sql: asyncpg.Connection, database: Database, text: str
) -> None:
    await store(sql, sorted(pictures(3, 900), key=lambda one: one.created_at))
    async with database.search_session(1800) as session:
        search = await make_search(session, parse(text), VisibilityScope(), SAMPLING)
        exact, estimated = await count_exactly(session, search), await estimate_count(session, search)
    assert exact > 50
    assert exact / 2 < estimated < 2 * exact


async def test_a_number_that_takes_long_is_left_out(sql: asyncpg.Connection, database: Database) -> None:
    collection = pictures(3, 90)
    await store(sql, collection)
    await sql.execute("ANALYZE images")
    cats = sum("cat" in one.tags and not one.private for one in collection)
    large = SearchEngine(costs=CostModel(count_sample=-1))
    async with database.search_session(1800) as session:

        async def count(text: str, scope: VisibilityScope) -> MatchCount | None:
            return await count_cheaply(session, await make_search(session, parse(text), scope, large))

        assert await count("cat", VisibilityScope()) == MatchCount(cats, "exact")
        assert await count("cat type:png", VisibilityScope()) is None
        assert await count("*", VisibilityScope()) is None
        assert await count("*", VisibilityScope(sees_all=True)) == MatchCount(90, "estimate")


@pytest.mark.parametrize("scope", [VisibilityScope(), VisibilityScope(OWNERS[0]), VisibilityScope(sees_all=True)])
async def test_f14_an_estimate_of_all_images_covers_only_visible_ones(
    sql: asyncpg.Connection, database: Database, scope: VisibilityScope
) -> None:
    collection = pictures(3, 900)
    await store(sql, collection)
    share = sum(visible(one, scope.principal_id, sees_all=scope.sees_all) for one in collection)
    async with database.search_session(1800) as session:
        estimated = await estimate_count(session, await make_search(session, parse("*"), scope, SAMPLING))
    assert estimated == pytest.approx(share, rel=0.15)


async def test_a_sample_of_a_table_without_statistics_is_no_larger(sql: asyncpg.Connection, database: Database) -> None:
    await store(sql, pictures(3, 900))
    await sql.execute("UPDATE pg_class SET reltuples = -1 WHERE oid = 'images'::regclass")
    async with database.search_session(1800) as session:
        predicates, values = (await make_search(session, parse("cat"), VisibilityScope())).predicates, BindParameters()
        sample = await take_sample(session, predicates.visible_condition(values), values, 100)
    assert 0 < sample.matches < sample.images < 300
    assert sample.share == pytest.approx(sample.images / 900, rel=0.5)


@examples(20)
@given(st.one_of(st.text(), st.text(alphabet=" ()\"-|*:,.<>=abcANDORT2of'\\%_\ud800\u0130ß")))
def test_the_parser_raises_nothing_but_its_own_error_and_the_canonical_form_is_fixed(text: str) -> None:
    spelled = spell(text)
    assert spelled is None or spell(spelled) == spelled


def spell(text: str) -> str | None:
    """Return the canonical form; None for an invalid text, whose error has a valid position."""
    try:
        return format_query(parse(text))
    except InvalidQuery as error:
        position, expected = error.extras["position"], error.extras["expected"]
    assert 0 <= position <= len(text)
    assert expected
    return None


@examples(10)
@given(nodes)
def test_the_canonical_form_means_the_same(query: ast.Node) -> None:
    again = parse(format_query(query))
    for picture in PICTURES:
        assert matches(again, picture, OWNERS[0]) == matches(query, picture, OWNERS[0])
    assert format_query(again) == format_query(query)
