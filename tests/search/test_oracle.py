"""The search, held against an evaluation in plain Python over random queries and collections."""

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import app.search.executor as engine
from app.authz.visibility import Sight
from app.db.database import Database
from app.search import count
from app.search.count import count_exactly, estimate
from app.search.language import ast
from app.search.language.ast import canonical
from app.search.language.parser import InvalidQuery, parse
from app.search.planning import cost_model
from app.search.planning.sort_order import SortOrder
from app.search.strategies import name_index_scan
from tests.search.collection import OWNERS, matches, pictures, store, visible
from tests.search.queries import RELAXED, in_order, make_search, nodes, pages, run, sights, sorts

TREES, MANY_TREES = 40, 1_000
MANY = (pytest.mark.slow, pytest.mark.timeout(1800))


@pytest.mark.parametrize(
    ("walk", "gathered", "near", "trees"),
    [
        (7, 0, False, TREES),
        (7, 0, True, TREES),
        (10_000, 1_500, False, TREES),
        pytest.param(7, 0, False, MANY_TREES, marks=MANY),
        pytest.param(7, 0, True, MANY_TREES, marks=MANY),
        pytest.param(10_000, 1_500, False, MANY_TREES, marks=MANY),
    ],
)
async def test_every_query_finds_what_plain_python_finds(
    sql: asyncpg.Connection,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    walk: int,
    gathered: int,
    near: bool,
    trees: int,
) -> None:
    # Once with walks that end early, so that both ways to a page are gone and meet; once gathering in stretches, as if
    # that cost nothing; once as it is.
    if near:
        for cost, value in {"_STRETCH": 0, "_STATEMENT": 0, "_ENTRY": 0, "_IN_ORDER": 100, "_ACROSS": 100}.items():
            monkeypatch.setattr(cost_model, cost, value)
    bounds = {
        "GATHERED_AT_ONCE": gathered,
        "SAMPLED_ABOVE": gathered,
        "SHORT_WALK": walk,
        "LONGEST_WALK": 4 * walk,
        "LONGEST_WALK_ACROSS": 2 * walk,
        "LONGEST_WALK_UNINDEXED": 4 * walk,
    }
    names = {"GATHERED_BEFORE_NAMES": gathered, "FEW_NAMES": walk, "FEW_ANCHORED": walk, "MOST_NAMES": 2 * walk}
    for module, patched in ((engine, bounds), (name_index_scan, names)):
        for name, value in patched.items():
            monkeypatch.setattr(module, name, value)
    collection = pictures(walk, 60)
    await store(sql, collection)
    async with database.searcher(1800) as session:

        @settings(RELAXED, max_examples=trees)
        @given(query=nodes, sight=sights, sort=sorts, limit=st.sampled_from((1, 3, 7, 100)))
        async def check(query: ast.Node, sight: Sight, sort: str, limit: int) -> None:
            seen = [one for one in collection if visible(one, sight.viewer_id, sees_all=sight.sees_all)]
            expected = [one for one in seen if matches(query, one, sight.viewer_id)]
            order = SortOrder(sort)
            search = await make_search(session, query, sight)
            assert await pages(search, order, max(limit, 1 + len(expected) // 4)) == in_order(order, expected)
            assert await count_exactly(session, search) == await estimate(session, search) == len(expected)

        await run(check)


@pytest.mark.parametrize(
    "text", ["cat", "-cat", "type:png -dog", "date:2026-11-05..2026-11-12", "cat OR date:2026-11-20"]
)
async def test_a_sample_of_the_pages_tells_about_the_number(
    sql: asyncpg.Connection, database: Database, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    # Every second page is looked at, and nothing is counted one by one.
    for name, value in {"COUNTED": -1, "SAMPLED": 450, "TELLING": 0}.items():
        monkeypatch.setattr(count, name, value)
    await store(sql, sorted(pictures(3, 900), key=lambda one: one.created_at))
    async with database.searcher(1800) as session:
        search = await make_search(session, parse(text), Sight())
        exact, estimated = await count_exactly(session, search), await estimate(session, search)
    assert exact > 50
    assert exact / 2 < estimated < 2 * exact


@pytest.mark.parametrize("sight", [Sight(), Sight(OWNERS[0]), Sight(sees_all=True)])
async def test_f14_an_estimate_of_all_images_is_of_those_that_the_viewer_sees(
    sql: asyncpg.Connection, database: Database, monkeypatch: pytest.MonkeyPatch, sight: Sight
) -> None:
    for name, value in {"COUNTED": -1, "SAMPLED": 450, "TELLING": 0}.items():
        monkeypatch.setattr(count, name, value)
    collection = pictures(3, 900)
    await store(sql, collection)
    share = sum(visible(one, sight.viewer_id, sees_all=sight.sees_all) for one in collection)
    async with database.searcher(1800) as session:
        estimated = await estimate(session, await make_search(session, parse("*"), sight))
    assert estimated == pytest.approx(share, rel=0.15)


async def test_a_sample_is_no_more_than_that_where_nothing_was_analysed(
    sql: asyncpg.Connection, database: Database
) -> None:
    await store(sql, pictures(3, 900))
    await sql.execute("UPDATE pg_class SET reltuples = -1 WHERE oid = 'images'::regclass")
    async with database.searcher(1800) as session:
        sample = await (await make_search(session, parse("cat"), Sight())).sample(100)
    assert 0 < sample.matching < sample.images < 300
    assert sample.share == pytest.approx(sample.images / 900, rel=0.5)


@settings(max_examples=2000, deadline=None)
@given(st.one_of(st.text(), st.text(alphabet=" ()\"-|*:,.<>=abcANDORT2of'\\%_\ud800\u0130ß")))
def test_the_parser_raises_nothing_but_its_own_error_and_the_canonical_form_is_fixed(text: str) -> None:
    spelled = spell(text)
    assert spelled is None or spell(spelled) == spelled


def spell(text: str) -> str | None:
    """Return the canonical form, or None for a text that is refused as it should be."""
    try:
        return canonical(parse(text))
    except InvalidQuery as error:
        position, expected = error.extras["position"], error.extras["expected"]
    assert 0 <= position <= len(text)
    assert expected
    return None


@settings(max_examples=1000, deadline=None)
@given(nodes)
def test_the_canonical_form_means_the_same(query: ast.Node) -> None:
    again = parse(canonical(query))
    for picture in pictures(1, 20):
        assert matches(again, picture, OWNERS[0]) == matches(query, picture, OWNERS[0])
    assert canonical(again) == canonical(query)
