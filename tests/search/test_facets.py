"""Facets, compared with plain Python over random queries and collections."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from itertools import product
from typing import get_args

import asyncpg
import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.authz.visibility import VisibilityScope
from app.db.database import Database
from app.models.bitmap import CHUNK
from app.search.bitmap_index.maintenance import BitmapIndexUpdater
from app.search.executor import SearchEngine
from app.search.facets.facet_counts import Facets, count_facets_exactly, estimate_facets
from app.search.language import ast
from app.search.language.parser import parse
from app.search.planning import cost_model
from app.search.planning.cost_model import CostModel
from app.search.planning.facet_fields import FacetName
from tests.search.collection import OWNERS, Picture, matches, pictures, store, visible
from tests.search.queries import RELAXED, make_search, mapped_queries, nodes, run, scopes
from tests.support.accounts import Account
from tests.tags.helpers import read, upload

NAMES: tuple[FacetName, ...] = get_args(FacetName)
names, limits = st.sampled_from(NAMES), st.sampled_from((1, 3, 7, 100))
SCAN = SearchEngine()
# Never a look at each match.
BITMAPS = SearchEngine(costs=CostModel(facet_matches=-1))
SAMPLE = SearchEngine(("ordered_scan", "fetch_and_sort"), CostModel(facet_matches=-1, facet_sample=300))
MANY = (pytest.mark.slow, pytest.mark.timeout(1800))


def values_of(picture: Picture, name: FacetName) -> Iterable[str]:
    match name:
        case "tag":
            return picture.tags
        case "type":
            return (picture.kind,)
        case "uploader":
            return (str(picture.uploaded_by or "none"),)
        case "year":
            return (f"{picture.created_at:%Y}",)
        case "month":
            return (f"{picture.created_at:%Y-%m}",)
        case "camera":
            return (picture.camera,) if picture.camera is not None else ()


def expected(
    collection: list[Picture], query: ast.Node, scope: VisibilityScope, name: FacetName, limit: int
) -> tuple[int, list[tuple[str, int]]]:
    """Return the total and the items."""
    seen = [one for one in collection if visible(one, scope.principal_id, sees_all=scope.sees_all)]
    found = [one for one in seen if matches(query, one, scope.principal_id)]
    counted = Counter(value for one in found for value in values_of(one, name))
    return len(found), sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:limit]


def plain(facets: Facets) -> tuple[int, list[tuple[str, int]]]:
    return facets.total, [(value, images) for value, images in facets.items]


@pytest.mark.parametrize("trees", [60, pytest.param(2_000, marks=MANY)])
async def test_facets_from_a_look_at_each_match_equal_plain_python(
    sql: asyncpg.Connection, database: Database, trees: int
) -> None:
    collection = pictures(7, 60)
    await store(sql, collection)
    async with database.search_session(1800) as session:

        @settings(RELAXED, max_examples=trees)
        @given(query=nodes, scope=scopes, name=names, limit=limits)
        async def check(query: ast.Node, scope: VisibilityScope, name: FacetName, limit: int) -> None:
            search = await make_search(session, query, scope, SCAN)
            facets = await count_facets_exactly(session, search, name, limit)
            assert facets is not None
            assert facets.accuracy == "exact"
            assert plain(facets) == expected(collection, query, scope, name, limit)

        await run(check)


@pytest.fixture
async def changed(sql: asyncpg.Connection, database: Database, monkeypatch: pytest.MonkeyPatch) -> list[Picture]:
    """A collection over five years, some of whose images have changed since the bitmaps were updated.

    About four images share a chunk. `sofa` and `x:y` are rare tags.
    """
    monkeypatch.setattr(cost_model, "COMMON_TAG_IMAGES", 5)
    ordered, rare = sorted_pictures(pictures(5, 80)), frozenset({"sofa", "x:y"})
    collection = [
        replace(
            one,
            created_at=one.created_at.replace(year=2021 + number // 16),
            tags=one.tags if number < 6 else one.tags - rare,
        )
        for number, one in enumerate(ordered)
    ]
    await store(sql, collection)
    await BitmapIndexUpdater(database, 3600, ordinal_stride=CHUNK // 4).update()
    await sql.execute("DELETE FROM images WHERE id = $1", collection[0].id)
    await sql.execute("UPDATE images SET visibility = 'private' WHERE id = $1", collection[1].id)
    await sql.execute("DELETE FROM tagged WHERE image = $1", collection[2].id)
    return [replace(collection[1], private=True), replace(collection[2], tags=frozenset()), *collection[3:]]


def sorted_pictures(collection: list[Picture]) -> list[Picture]:
    return sorted(collection, key=lambda one: one.created_at)


@pytest.mark.parametrize(
    ("engine", "name", "trees"),
    [
        *((BITMAPS, name, 60) for name in ("tag", "type", "year", "month")),
        *(pytest.param(BITMAPS, name, 1_000, marks=MANY) for name in ("tag", "type", "year", "month")),
    ],
)
async def test_facets_by_bitmaps_equal_plain_python(
    database: Database, changed: list[Picture], engine: SearchEngine, name: FacetName, trees: int
) -> None:
    counted = 0
    async with database.search_session(1800) as session:

        @settings(RELAXED, max_examples=trees)
        @given(query=mapped_queries, scope=scopes, limit=st.sampled_from((1, 2, 3)))
        async def check(query: ast.Node, scope: VisibilityScope, limit: int) -> None:
            nonlocal counted
            search = await make_search(session, query, scope, engine)
            facets = await count_facets_exactly(session, search, name, limit)
            if facets is not None:
                counted += 1
                assert plain(facets) == expected(changed, query, scope, name, limit)

        await run(check)
    assert counted > trees / 10


@pytest.mark.usefixtures("changed")
async def test_bitmaps_that_are_out_of_date_or_need_many_look_ups_count_no_facets(database: Database) -> None:
    async def counts(name: FacetName, **costs: int) -> bool:
        engine = SearchEngine(costs=CostModel(facet_matches=-1, **costs))
        async with database.search_session(1800) as session:
            search = await make_search(session, parse("-cat"), VisibilityScope(), engine)
            return await count_facets_exactly(session, search, name, 1) is not None

    assert await counts("year")
    assert not await counts("year", max_queued_for_count=1)
    assert not await counts("year", facet_lookups=0)
    assert not await counts("uploader")
    assert not await counts("tag", facet_bitmap_rows=1)


async def test_an_estimate_is_labelled_and_near_the_exact_facets(sql: asyncpg.Connection, database: Database) -> None:
    collection, query = sorted_pictures(pictures(3, 600)), parse("-cat")
    await store(sql, collection)
    async with database.search_session(1800) as session:
        for scope, name in product((VisibilityScope(), VisibilityScope(OWNERS[0])), NAMES):
            search = await make_search(session, query, scope, SAMPLE)
            assert await count_facets_exactly(session, search, name, 20) is None
            facets = await estimate_facets(session, search, name, 20)
            total, items = expected(collection, query, scope, name, 20)
            assert facets.accuracy == "estimate"
            assert facets.total == pytest.approx(total, rel=0.3)
            assert {item.value for item in facets.items} == {value for value, _ in items}
            exact = dict(items)
            assert all(exact[value] / 2 < images < 2 * exact[value] for value, images in facets.items)


async def test_an_estimate_of_rare_matches_is_exact(sql: asyncpg.Connection, database: Database) -> None:
    collection = pictures(3, 150)
    await store(sql, collection)
    engine = SearchEngine(("ordered_scan", "fetch_and_sort"), CostModel(facet_sample=1))
    query, scope = parse(f"uploader:{OWNERS[0]} cat dog"), VisibilityScope()
    async with database.search_session(1800) as session:
        search = await make_search(session, query, scope, engine)
        facets = await estimate_facets(session, search, "type", 5)
    assert facets.accuracy == "exact"
    assert plain(facets) == expected(collection, query, scope, "type", 5)


async def test_each_value_is_a_value_of_its_filter(
    user: Account, client: httpx.AsyncClient, sql: asyncpg.Connection
) -> None:
    for tags in (["cat", "hot dog"], ["cat", "x:y"], ["or else"]):
        await upload(user, *tags)
    await sql.execute("UPDATE images SET camera = 'Canon EOS R5' WHERE name = (SELECT min(name) FROM images)")
    filters = {
        "tag": '"{}"',
        "type": "type:{}",
        "uploader": "uploader:{}",
        "year": "date:{}",
        "month": "date:{}",
        "camera": 'camera:"{}"',
    }
    for name in NAMES:
        facets = await read(client, "/v1/images/facets", q="*", by=name)
        assert (facets["by"], facets["total"], facets["is"]) == (name, 3, "exact")
        assert facets["items"]
        for item in facets["items"]:
            found = await read(client, "/v1/images", q=filters[name].format(item["value"]), count="exact")
            assert found["total"] == item["images"]


async def test_private_images_count_for_their_owner_only(
    user: Account, admin: Account, client: httpx.AsyncClient
) -> None:
    public, private = await upload(user, "cat", "open"), await upload(user, "cat", "secret")
    change = {"visibility": "private"}
    assert (await user.client.patch(f"/v1/images/{private['id']}", json=change)).status_code == 200
    for viewer, items in (
        (client, [("cat", 1), ("open", 1)]),
        (user.client, [("cat", 2), ("open", 1), ("secret", 1)]),
        (admin.client, [("cat", 2), ("open", 1), ("secret", 1)]),
    ):
        facets = await read(viewer, "/v1/images/facets", by="tag")
        assert [(item["value"], item["images"]) for item in facets["items"]] == items
        assert facets["total"] == items[0][1]
    assert public["id"] != private["id"]


async def test_parameters_are_strict(client: httpx.AsyncClient) -> None:
    refused = ("", "by=", "by=colour", "by=tag_ids", "by=tag&by=type", "by=tag&limit=0", "by=tag&limit=101")
    for query, status in (
        *((one, 422) for one in (*refused, "by=tag&cursor=x", "by=tag&q=%00")),
        ("by=tag&q=%22", 400),
        ("by=tag&q=date:x", 400),
        ("by=month&q=%27%29%20OR%201%3D1%20--", 400),
        ("by=tag&q=uploader:me", 401),
    ):
        response = await client.get(f"/v1/images/facets?{query}")
        assert response.status_code == status, (query, response.text)
    for name, text in (("month", "'1+1'"), ("tag", "sha256:" + 64 * "0"), ("uploader", "date:9999")):
        facets = await read(client, "/v1/images/facets", by=name, q=text)
        assert (facets["total"], facets["items"], facets["is"]) == (0, [], "exact")
