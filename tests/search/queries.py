"""Random queries and orders, their expected results, and a runner for asynchronous Hypothesis tests."""

import asyncio
import uuid
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from app.authz.visibility import VisibilityScope
from app.search.executor import SearchEngine, SearchExecutor
from app.search.language import ast
from app.search.planning.predicates import QueryPredicates
from app.search.planning.sort_order import SORTS, SortOrder
from app.search.planning.tag_resolution import resolve_tags
from tests.search.collection import ALIASES, NAMES, NOW, OWNERS, Picture

RELAXED = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])

tags = st.sampled_from((*NAMES, *ALIASES, "nowhere")).map(ast.Tag)
wildcards = st.sampled_from(("cat*", "*dog", "c*", "a_*", "*x*", "k*y", "zz*")).map(ast.Wildcard)
filters = st.sampled_from(
    [
        ast.Filter("width", ("160..1600",)),
        ast.Filter("width", ("1", ">1000")),
        ast.Filter("height", ("<=90",)),
        ast.Filter("pixels", (">=14400",)),
        ast.Filter("ratio", ("16:9",)),
        ast.Filter("ratio", (">1.5",)),
        ast.Filter("size", ("1kb..2kb",)),
        ast.Filter("size", (">2gb",)),
        ast.Filter("size", ("9223372036854775807",)),
        ast.Filter("date", ("2026-11-05",)),
        ast.Filter("date", ("2026-11-05..2026-11-09t06:00:00z",)),
        ast.Filter("date", ("7d..", "yesterday")),
        ast.Filter("date", ("<=2026-11-03",)),
        ast.Filter("taken", ("2026-11-05",)),
        ast.Filter("taken", ("2026-11-03..2026-11-07t06:00:00+09:00",)),
        ast.Filter("taken", ("<=2026-11-03", ">2026-11-09t12:00")),
        ast.Filter("taken", ("..9999-12-31",)),
        ast.Filter("camera", ("Canon EOS R5",)),
        ast.Filter("camera", ("Canon*", "a_b")),
        ast.Filter("camera", ("*EOS*",)),
        ast.Filter("camera", ("i*%",)),
        ast.Filter("camera", ("nowhere",)),
        ast.Filter("tags", ("2..3",)),
        ast.Filter("tags", ("0",)),
        ast.Filter("name", ("img*", "*%*")),
        ast.Filter("name", ("a_b ?.png",)),
        ast.Filter("name", ("*5*",)),
        ast.Filter("name", ("i*.png",)),
        ast.Filter("name", ("*4.png",)),
        ast.Filter("name", ("i*1?ß🖼",)),
        ast.Filter("name", ("img*5*.png", "i*mg*")),
        ast.Filter("type", ("jpeg", "avif")),
        ast.Filter("visibility", ("private",)),
        ast.Filter("sha256", ("00" * 32,)),
        ast.Filter("uploader", ("none",)),
        ast.Filter("uploader", (str(OWNERS[0]), "none")),
        ast.Filter("uploader", (str(OWNERS[1]),)),
    ]
)


def trees(leaves: st.SearchStrategy[ast.Node]) -> st.SearchStrategy[ast.Node]:
    """Return queries of these leaves."""
    return st.recursive(
        leaves,
        lambda children: st.one_of(
            children.map(ast.negate),
            st.lists(children, min_size=2, max_size=4).map(ast.conjunction),
            st.lists(children, min_size=2, max_size=4).map(ast.disjunction),
            st.lists(children, min_size=1, max_size=4).flatmap(
                lambda terms: st.integers(1, len(terms)).map(lambda number: ast.AtLeast(number, tuple(terms)))
            ),
        ),
        max_leaves=8,
    )


nodes = trees(st.one_of(tags, tags, wildcards, filters))
types = st.sampled_from((ast.Filter("type", ("png",)), ast.Filter("type", ("jpeg", "avif"))))
mapped_queries = trees(st.one_of(tags, tags, wildcards, types))
scopes = st.sampled_from(
    [
        VisibilityScope(),
        VisibilityScope(OWNERS[0]),
        VisibilityScope(OWNERS[1]),
        VisibilityScope(OWNERS[0], sees_all=True),
    ]
)
sorts = st.sampled_from([*SORTS, *(f"-{sort}" for sort in SORTS), "random:1", "random:abc"])


def key(order: SortOrder, picture: Picture) -> tuple[Any, ...]:
    values = {
        "created": picture.created_at,
        "size": picture.size,
        "width": picture.width,
        "pixels": picture.width * picture.height,
        "tags": len(picture.tags),
        "random": picture.sha256,
    }
    return (picture.name,) if order.name == "name" else (values[order.name], picture.id.bytes)


def in_order(order: SortOrder, found: list[Picture]) -> list[uuid.UUID]:
    if order.name == "taken":
        without = sorted(one.id for one in found if one.taken_at is None)
        timed = [(one.taken_at, one.id) for one in found if one.taken_at is not None]
        return [
            *(one for _, one in sorted(timed, reverse=order.descending)),
            *without[:: -1 if order.descending else 1],
        ]
    ordered = sorted(found, key=lambda picture: key(order, picture), reverse=order.descending)
    if order.start_digest is not None:
        ordered.sort(key=lambda picture: picture.sha256 < (order.start_digest or b""))
    return [picture.id for picture in ordered]


async def pages(search: SearchExecutor, order: SortOrder, limit: int) -> list[uuid.UUID]:
    found: list[uuid.UUID] = []
    key = None
    while True:
        page, more = await search.fetch_page(order, key, limit)
        found += [one.id for one in page]
        assert all(one.tags == sorted(one.tags) for one in page)
        if not more:
            return found
        key = order.decode_key(order.encode_key(page[-1]))


async def make_search(
    session: Any, query: ast.Node, visibility: VisibilityScope, engine: SearchEngine | None = None
) -> SearchExecutor:
    tags = await resolve_tags(session, query, visibility)
    return SearchExecutor(session, QueryPredicates(query, tags, visibility, NOW), engine or SearchEngine())


async def run(check: Any) -> None:
    """Run an asynchronous Hypothesis test: Hypothesis in a thread, the examples in the running loop."""
    loop = asyncio.get_running_loop()
    inner = check.hypothesis.inner_test

    def in_loop(**values: Any) -> None:
        asyncio.run_coroutine_threadsafe(inner(**values), loop).result(60)

    check.hypothesis.inner_test = in_loop
    await asyncio.to_thread(check)
