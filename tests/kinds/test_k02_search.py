"""K2: parsing, planning and spelling a query take steps in proportion to its length.

Steps are calls of Python functions, counted by the interpreter: they do not depend on the machine or its load.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from app.authz.visibility import VisibilityScope
from app.db.sql_text import BindParameters
from app.search.bitmap_index.bitmap_queries import CountStatement
from app.search.errors import InvalidQuery
from app.search.executor import SearchEngine
from app.search.language import parser
from app.search.language.ast import Node, Tag, Wildcard, format_query, leaves
from app.search.language.filters import FILTER_NAMES
from app.search.language.hints import find_prefixed_terms, make_hints
from app.search.language.lexer import TokenKind
from app.search.language.parser import parse
from app.search.planning.bitmap_coverage import is_computable
from app.search.planning.planned_query import PlannedQuery
from app.search.planning.predicates import QueryPredicates
from app.search.planning.sort_order import SortOrder
from app.search.planning.tag_resolution import ResolvedTag, ResolvedTags

RATIO = 4.5
VALUES = {
    **dict.fromkeys(("name", "camera"), "a*b"),
    **dict.fromkeys(("date", "taken"), "2026"),
    "uploader": "none",
    "type": "png",
    "visibility": "public",
    "sha256": "0" * 64,
    "similar": "00000000-0000-4000-8000-000000000000",
}
# The smallest query of each token. A new kind of token or filter without an entry fails.
TOKENS = {
    TokenKind.WORD: "cat ",
    TokenKind.QUOTED: '"hot dog" ',
    TokenKind.MINUS: "-cat ",
    TokenKind.NOT: "NOT cat ",
    TokenKind.AND: "cat AND dog ",
    TokenKind.OR: "cat OR dog ",
    TokenKind.OPEN: "(cat | dog) ",
    TokenKind.CLOSE: ") ",
    TokenKind.AT_LEAST: "2-of:(cat dog -x) ",
    TokenKind.END: " ",
}
REPEATED = {
    **{kind.name: text for kind, text in TOKENS.items()},
    **{name: f"{name}:{VALUES.get(name, '1..2')} " for name in FILTER_NAMES},
    "wildcard": "c*t ",
    "stars": "*",
    "letters": "a",
    "open": "(",
    "colons": "a:",
    "unknown prefix": "heigth:5 ",
    "operators": "or && ! ",
    "smileys": "(o)_(o) ",
    "units": "size:1 mb ",
    "commas": "tags:1,",
    "quotes": '" ',
    "digits": "1",
}
# The text around a query at each level.
NESTED = {
    "groups": "(a {} b)",
    "alternatives": "(a OR {})",
    "negations": "-(a {})",
    "choices of one": "1-of:({})",
    "choices": "2-of:(a {} b)",
    "choices that are too many to spell out": "5-of:(a b c d e f g h i {})",
}


def steps(function: Callable[[], Any]) -> int:
    """Return the number of Python functions that a call executes."""
    called = 0

    def count(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal called
        called += event == "call"

    sys.setprofile(count)
    try:
        function()
    finally:
        sys.setprofile(None)
    return called


def tags_of(query: Node) -> ResolvedTags:
    """Return tags for every name, alternately rare and common ones."""
    tags: dict[str, ResolvedTag] = {}
    wildcards: dict[str, tuple[ResolvedTag, ...]] = {}
    for number, leaf in enumerate(leaves(query)):
        found = ResolvedTag(number, 10_000 * (number % 2), 1e6)
        if isinstance(leaf, Tag):
            tags[leaf.name] = found
        elif isinstance(leaf, Wildcard):
            wildcards[leaf.pattern] = (found,)
    return ResolvedTags(tags, wildcards)


def plan_everything(text: str) -> None:
    """Do everything with a query that a search does before its first statement."""
    query = parse(text)
    format_query(query)
    make_hints(text, list(find_prefixed_terms(text).values()), None)
    predicates = QueryPredicates(query, tags_of(query), VisibilityScope(), datetime(2026, 11, 22, tzinfo=UTC))
    predicates.condition(BindParameters())
    predicates.index_condition(BindParameters(), frozenset(FILTER_NAMES))
    engine = SearchEngine()
    for sort in ("-created", "name"):
        planned = PlannedQuery(predicates, SortOrder(sort))
        estimate = engine.planner.estimate(planned, 41)
        assert engine.planner.choose(planned, estimate)
        assert engine.planner.choose(planned, replace(estimate, expected_rows=1e5, is_first=False))
        assert [planned.bitmaps.rare_tags, planned.bitmaps.common_tags]
    if is_computable(query):
        CountStatement(predicates, 5_000)


def ratio(small: str, large: str) -> float:
    def run(text: str) -> Callable[[], Any]:
        def plan() -> None:
            with suppress(InvalidQuery):
                plan_everything(text)

        return plan

    return steps(run(large)) / steps(run(small))


@pytest.fixture(autouse=True)
def _no_limits(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The limits keep every query small. Without them, a superlinear step is visible."""
    monkeypatch.setattr(parser, "MAX_TERMS", 10**6)
    monkeypatch.setattr(parser, "MAX_DEPTH", 10**6)
    monkeypatch.setattr(parser, "MAX_LENGTH", 10**6)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(10_000)
    yield
    sys.setrecursionlimit(limit)


def test_k2_every_kind_of_token_is_repeated() -> None:
    assert set(TOKENS) == set(TokenKind)


@pytest.mark.parametrize("unit", REPEATED.values(), ids=REPEATED)
def test_k2_a_query_of_four_times_the_terms_takes_four_times_the_steps(unit: str) -> None:
    assert ratio(unit * 40, unit * 160) <= RATIO


@pytest.mark.parametrize("level", NESTED.values(), ids=NESTED)
def test_k2_a_query_of_four_times_the_depth_takes_four_times_the_steps(level: str) -> None:
    def nest(depth: int) -> str:
        query = "cat"
        for _ in range(depth):
            query = level.format(query)
        return query

    assert ratio(nest(15), nest(60)) <= RATIO


def test_f9_nested_choices_cost_no_more_than_their_nodes() -> None:
    nested = " ".join("1-of:(" * 10 + f"t{number}" + ")" * 10 for number in range(44))
    flat = " ".join(f"1-of:(t{number})" for number in range(440))
    assert steps(lambda: plan_everything(nested)) < 2 * steps(lambda: plan_everything(flat))
