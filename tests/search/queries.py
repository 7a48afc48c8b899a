"""Random queries and orders, what to ask and expect of them, and how to run an asynchronous test over them."""

import asyncio
import uuid
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from app.authz.visibility import Sight
from app.search import tree
from app.search.images import ImageSearch
from app.search.order import SORTS, Order
from app.search.plan import Plan
from app.search.vocabulary import look_up
from tests.search.collection import ALIASES, NAMES, NOW, OWNERS, Picture

RELAXED = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])

tags = st.sampled_from((*NAMES, *ALIASES, "nowhere")).map(tree.Tag)
wildcards = st.sampled_from(("cat*", "*dog", "c*", "a_*", "*x*", "k*y", "zz*")).map(tree.Wildcard)
filters = st.sampled_from(
    [
        tree.Filter("width", ("160..1600",)),
        tree.Filter("width", ("1", ">1000")),
        tree.Filter("height", ("<=90",)),
        tree.Filter("pixels", (">=14400",)),
        tree.Filter("ratio", ("16:9",)),
        tree.Filter("ratio", (">1.5",)),
        tree.Filter("size", ("1kb..2kb",)),
        tree.Filter("size", (">2gb",)),
        tree.Filter("size", ("9223372036854775807",)),
        tree.Filter("date", ("2026-11-05",)),
        tree.Filter("date", ("2026-11-05..2026-11-09t06:00:00z",)),
        tree.Filter("date", ("7d..", "yesterday")),
        tree.Filter("date", ("<=2026-11-03",)),
        tree.Filter("tags", ("2..3",)),
        tree.Filter("tags", ("0",)),
        tree.Filter("name", ("img*", "*%*")),
        tree.Filter("name", ("a_b ?.png",)),
        tree.Filter("name", ("*5*",)),
        tree.Filter("name", ("i*.png",)),
        tree.Filter("name", ("*4.png",)),
        tree.Filter("name", ("i*1?ß🖼",)),
        tree.Filter("name", ("img*5*.png", "i*mg*")),
        tree.Filter("type", ("jpeg", "avif")),
        tree.Filter("visibility", ("private",)),
        tree.Filter("sha256", ("00" * 32,)),
        tree.Filter("uploader", ("none",)),
        tree.Filter("uploader", (str(OWNERS[0]), "none")),
        tree.Filter("uploader", (str(OWNERS[1]),)),
    ]
)


def trees(leaves: st.SearchStrategy[tree.Node]) -> st.SearchStrategy[tree.Node]:
    """Return queries made of such leaves."""
    return st.recursive(
        leaves,
        lambda children: st.one_of(
            children.map(tree.negation),
            st.lists(children, min_size=2, max_size=4).map(tree.all_of),
            st.lists(children, min_size=2, max_size=4).map(tree.any_of),
            st.lists(children, min_size=1, max_size=4).flatmap(
                lambda terms: st.integers(1, len(terms)).map(lambda number: tree.AtLeast(number, tuple(terms)))
            ),
        ),
        max_leaves=8,
    )


nodes = trees(st.one_of(tags, tags, wildcards, filters))
types = st.sampled_from((tree.Filter("type", ("png",)), tree.Filter("type", ("jpeg", "avif"))))
mapped_queries = trees(st.one_of(tags, tags, wildcards, types))
sights = st.sampled_from([Sight(), Sight(OWNERS[0]), Sight(OWNERS[1]), Sight(OWNERS[0], sees_all=True)])
sorts = st.sampled_from([*SORTS, *(f"-{sort}" for sort in SORTS), "random:1", "random:abc"])


def key(order: Order, picture: Picture) -> tuple[Any, ...]:
    values = {
        "created": picture.created_at,
        "size": picture.size,
        "width": picture.width,
        "pixels": picture.width * picture.height,
        "tags": len(picture.tags),
        "random": picture.sha256,
    }
    return (picture.name,) if order.name == "name" else (values[order.name], picture.id.bytes)


def in_order(order: Order, found: list[Picture]) -> list[uuid.UUID]:
    ordered = sorted(found, key=lambda picture: key(order, picture), reverse=order.descending)
    if order.start is not None:
        ordered.sort(key=lambda picture: picture.sha256 < (order.start or b""))
    return [picture.id for picture in ordered]


async def pages(search: ImageSearch, order: Order, limit: int) -> list[uuid.UUID]:
    found: list[uuid.UUID] = []
    position = None
    while True:
        page, more = await search.page(order, position, limit)
        found += [one.id for one in page]
        assert all(one.tags == sorted(one.tags) for one in page)
        if not more:
            return found
        position = order.read(order.write(page[-1]))


async def make_search(session: Any, query: tree.Node, sight: Sight) -> ImageSearch:
    plan = Plan(query, await look_up(session, query, sight), sight.viewer_id, NOW)
    return ImageSearch(session, plan, sight)


async def run(check: Any) -> None:
    """Run an asynchronous Hypothesis test: Hypothesis in a thread, the examples in the running loop."""
    loop = asyncio.get_running_loop()
    inner = check.hypothesis.inner_test

    def in_loop(**values: Any) -> None:
        asyncio.run_coroutine_threadsafe(inner(**values), loop).result(60)

    check.hypothesis.inner_test = in_loop
    await asyncio.to_thread(check)
