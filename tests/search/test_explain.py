"""Explained queries: counts of plain Python, names, positions, plans, and what each caller sees."""

from dataclasses import replace
from typing import Any

import asyncpg
import httpx
import pytest
from hypothesis import given, settings

from app.authz.visibility import VisibilityScope
from app.core.errors import DatabaseBusy, QueryTimeout
from app.core.fair_queue import FairQueue, QueueLimits
from app.db.database import Database
from app.search.bitmap_index.maintenance import BitmapIndexUpdater
from app.search.executor import SearchEngine
from app.search.explain.explain_service import ExplainService
from app.search.language import ast
from app.search.language.ast import format_query
from app.search.language.parser import parse, parse_with_positions
from app.search.planning import cost_model
from app.search.planning.cost_model import CostModel
from app.search.planning.sort_order import SortOrder
from tests.http.problem_documents import problem
from tests.search.collection import ALIASES, NAMES, matches, pictures, store, visible
from tests.search.queries import RELAXED, nodes, run, scopes
from tests.support.accounts import Account
from tests.support.counters import tallied
from tests.support.examples import examples
from tests.tags.helpers import read, upload

# The service has its own clock.
TIMELESS = nodes.filter(lambda query: "7d.." not in format_query(query))
EXPLAIN = "/v1/images/explain"
# Small collections are counted by rows, larger ones by bitmaps and then by rows, the largest ones by the rarest tags.
SMALL, LARGER = SearchEngine(), SearchEngine(costs=CostModel(count_sample=-1))
LARGEST = SearchEngine(costs=CostModel(count_sample=-1, explain_rows=-1))


def make_service(database: Database, engine: SearchEngine = SMALL, seconds: float = 1000) -> ExplainService:
    return ExplainService(database, engine, FairQueue("searches", QueueLimits(1, 1, 1, 1, 1, 1), DatabaseBusy), seconds)


@pytest.mark.parametrize("way", ["rows", "bitmaps", "stale bitmaps"])
async def test_all_counts_equal_plain_python(
    sql: asyncpg.Connection, database: Database, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setattr(cost_model, "COMMON_TAG_IMAGES", 22)
    collection = pictures(7, 60)
    await store(sql, collection)
    if way != "rows":
        await BitmapIndexUpdater(database, 1).update()
    if way == "stale bitmaps":
        await sql.execute("UPDATE images SET visibility = 'private' WHERE id = $1", collection[0].id)
        await sql.execute("DELETE FROM tagged WHERE image = $1", collection[1].id)
        collection = [replace(collection[0], private=True), replace(collection[1], tags=frozenset()), *collection[2:]]
    service = make_service(database, SMALL if way == "rows" else LARGER)

    @settings(RELAXED, max_examples=25)
    @given(query=TIMELESS, scope=scopes)
    async def check(query: ast.Node, scope: VisibilityScope) -> None:
        explained = await service.explain(parse_with_positions(format_query(query)), scope)
        seen = [one for one in collection if visible(one, scope.principal_id, sees_all=scope.sees_all)]

        def count(node: ast.Node) -> int:
            return sum(matches(node, one, scope.principal_id) for one in seen)

        leaves = list(ast.leaves(parse(format_query(query))))
        assert [one.images for one in explained.terms] == [count(leaf) for leaf in leaves]
        assert [one.term for one in explained.terms] == [format_query(leaf) for leaf in leaves]
        rest = [without(query, number) for number in range(len(leaves))]
        assert list(explained.without) == [count(one) for one in rest]

    await run(check)


async def test_a_large_collection_is_not_searched_as_a_whole(sql: asyncpg.Connection, database: Database) -> None:
    collection = pictures(7, 60)
    await store(sql, collection)
    await BitmapIndexUpdater(database, 1).update()
    having = sum(NAMES[0] in one.tags and not one.private for one in collection)
    query = parse_with_positions(f"{NAMES[0]} width:>=1 height:>=1")

    explained = await make_service(database, LARGEST).explain(query, VisibilityScope())
    assert [one.images for one in explained.terms] == [having, None, None]
    assert explained.without == [None, having, having]
    few = SearchEngine(costs=replace(LARGEST.costs, explain_lookups=having - 1))
    limited = await make_service(database, few).explain(query, VisibilityScope())
    assert limited.without == [None, None, None]
    unknown = parse_with_positions("bee width:>=1 height:>=1")
    assert (await make_service(database, few).explain(unknown, VisibilityScope())).without == [None, 0, 0]


def without(query: ast.Node, number: int) -> ast.Node:
    """Return the query without a term, made from its text: the term is replaced by one that changes nothing."""
    tree = parse(format_query(query))
    return ast.without_leaf(tree, number) or ast.MATCH_ALL


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cat", [""]),
        ("cat dog", ["dog", "cat"]),
        ("cat OR dog", ["dog", "cat"]),
        ("-cat", [""]),
        ("a -(b OR c)", ["-(b OR c)", "a -c", "a -b"]),
        ("a -(b c)", ["-(b c)", "a -c", "a -b"]),
        ("(a OR b) c", ["b c", "a c", "a OR b"]),
        ("2-of:(a b c)", ["2-of:(b c)", "2-of:(a c)", "2-of:(a b)"]),
        ("2-of:(a b)", ["1-of:(b)", "1-of:(a)"]),
        ("1-of:(a) b", ["b", "1-of:(a)"]),
        ("1-of:((a b) c)", ["1-of:(b c)", "1-of:(a c)", "1-of:((a b))"]),
        ("cat cat", ["cat", "cat"]),
    ],
)
def test_a_term_is_removed_with_its_empty_groups(text: str, expected: list[str]) -> None:
    tree = parse(text)
    rest = [ast.without_leaf(tree, number) for number in range(len(expected))]
    assert [format_query(one) if one else "" for one in rest] == expected


@examples(10)
@given(nodes)
def test_each_term_has_its_position(query: ast.Node) -> None:
    text = format_query(query)
    parsed = parse_with_positions(text)
    for leaf, position in zip(ast.leaves(parsed.tree), parsed.positions, strict=True):
        assert text[position:].startswith(format_query(leaf))


async def explain(client: httpx.AsyncClient, query: str) -> dict[str, Any]:
    explained: dict[str, Any] = await read(client, EXPLAIN, q=query)
    return explained


async def test_terms_have_positions_names_and_counts(
    user: Account, client: httpx.AsyncClient, sql: asyncpg.Connection
) -> None:
    await upload(user, "cat", "sofa")
    await upload(user, "cattle")
    await upload(user, "cat", visibility="private")
    await sql.execute("INSERT INTO tags (name, alias_of) SELECT 'kitty', id FROM tags WHERE name = 'cat'")
    explained = await explain(client, " kitty  -(sofa OR ca*) type:png nowhere")
    assert explained["query"] == "kitty -(sofa OR ca*) type:png nowhere"
    assert explained["terms"] == [
        {"term": "kitty", "position": 1, "images": 1, "aliases": ["kitty"], "expanded": ["cat"], "truncated": False},
        {"term": "sofa", "position": 10, "images": 1, "aliases": [], "expanded": [], "truncated": False},
        {"term": "ca*", "position": 18, "images": 2, "aliases": [], "expanded": ["cat", "cattle"], "truncated": False},
        {"term": "type:png", "position": 23, "images": 2, "aliases": [], "expanded": [], "truncated": False},
        {"term": "nowhere", "position": 32, "images": 0, "aliases": [], "expanded": [], "truncated": False},
    ]
    assert [one["images"] for one in explained["without"]] == [0, 0, 0, 0, 0]
    assert explained["plan"] == {"access_path": "fetch_and_sort", "estimated_matches": 0, "cost": 0.0}
    assert "steps" not in explained
    own = await explain(user.client, "cat -sofa")
    assert [one["images"] for one in own["terms"]] == [2, 1]
    assert own["without"] == [{"term": "cat", "images": 2}, {"term": "sofa", "images": 2}]
    everything = await explain(client, "*")
    assert (everything["query"], everything["terms"], everything["without"]) == ("", [], [])


async def test_a_private_tag_is_like_an_unknown_one(
    user: Account, client: httpx.AsyncClient, sql: asyncpg.Connection
) -> None:
    await upload(user, "secret", visibility="private")
    await sql.execute("INSERT INTO tags (name, alias_of) SELECT 'hush', id FROM tags WHERE name = 'secret'")
    for known, unknown in (("secret", "unseen"), ("hush", "nope"), ("sec*", "not*")):
        explained, other = await explain(client, known), await explain(client, unknown)
        assert {**other["terms"][0], "term": known} == explained["terms"][0]
        assert other["plan"] == explained["plan"]
    own = (await explain(user.client, "hush"))["terms"][0]
    assert (own["images"], own["expanded"], own["aliases"]) == (1, ["secret"], ["hush"])


async def test_an_admin_sees_the_steps_of_the_search(user: Account, admin: Account) -> None:
    await upload(user, "cat")
    (step,) = (await explain(admin.client, "cat"))["steps"]
    assert (step["access_path"], step["reason"], step["returned_rows"]) == ("fetch_and_sort", "few matches", 1)
    assert step["milliseconds"] > 0
    assert step["max_rows"] is None


async def test_a_wildcard_with_too_many_tags_is_cut(user: Account, admin: Account) -> None:
    await upload(user, "cat", *(f"a{number}" for number in range(60)))
    await upload(user, *(f"a{number}" for number in range(60, 120)))
    explained = await explain(admin.client, "cat a*")
    cat, cut = explained["terms"]
    assert (cat["images"], cat["truncated"], cut["images"], cut["truncated"]) == (1, False, None, True)
    assert len(set(cut["expanded"])) == 100
    assert [one["images"] for one in explained["without"]] == [None, 1]
    assert explained["plan"] == {"access_path": None, "estimated_matches": None, "cost": None}


async def test_errors_are_those_of_a_search(client: httpx.AsyncClient) -> None:
    document = problem(await client.get(EXPLAIN, params={"q": "cat ("}), 400, "invalid-query")
    assert document["position"] == 5
    problem(await client.get(EXPLAIN, params={"q": "uploader:me"}), 401, "unauthenticated")


async def test_counts_that_take_too_long_are_missing(sql: asyncpg.Connection, database: Database) -> None:
    await store(sql, pictures(3, 20))
    service = make_service(database, seconds=0)
    explained = await service.explain(parse_with_positions("cat dog"), VisibilityScope())
    assert [one.images for one in explained.terms] == [None, None] == list(explained.without)


async def test_the_most_expensive_query_takes_few_statements(sql: asyncpg.Connection, database: Database) -> None:
    await store(sql, pictures(3, 20))
    text = f"{' '.join(f'-{name}' for name in (*NAMES[:3], 'sofa', *ALIASES))} {'width:1 ' * 44}"
    with tallied() as counters:
        explained = await make_service(database).explain(parse_with_positions(text), VisibilityScope())
    assert None not in [one.images for one in explained.terms]
    assert counters.statements <= 4


async def test_an_interrupted_step_is_in_the_trace(sql: asyncpg.Connection, database: Database) -> None:
    await store(sql, pictures(3, 20))

    async def search() -> None:
        async with database.search_session(0.5) as session:
            search = await SearchEngine().prepare(session, parse("-cat"), VisibilityScope())
            await search.fetch_page(SortOrder("-created"), None, 20)

    with tallied() as counters:
        async with sql.transaction():
            await sql.execute("LOCK TABLE images")
            with pytest.raises(QueryTimeout):
                await search()
    assert [(one.strategy, one.reason) for one in counters.search_trace] == [("ordered_scan", "probe; interrupted")]
