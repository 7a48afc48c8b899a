"""Finds hints for an empty page: other queries, of which those that were changed term by term have matches."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, suppress
from dataclasses import replace

from app.core.errors import QueryTimeout
from app.db.database import Database
from app.search.executor import SearchExecutor
from app.search.language import ast
from app.search.language.ast import format_query
from app.search.language.hints import MAX_HINTS, Hint
from app.search.planning.predicates import QueryPredicates, conjuncts
from app.search.planning.tag_suggestions import list_similar_names, list_used_names

# Unknown tags whose spelling is compared, and terms that are left out on trial.
MAX_SPELLED = 3
MAX_REMOVED = 10


class HintFinder:
    """Finds hints within a time limit."""

    def __init__(self, database: Database, seconds: float) -> None:
        self._database = database
        self._seconds = seconds

    async def find(self, search: SearchExecutor, text: str) -> list[Hint]:
        """Return up to five hints for a search without matches, and its text. Those that take too long are missing."""
        found: dict[str, Hint] = {}
        with suppress(QueryTimeout):
            async with (
                self._database.search_reader(self._seconds) as session,
                aclosing(_hints(replace(search, session=session), text)) as hints,
            ):
                async for hint in hints:
                    found.setdefault(hint.query, hint)
                    if len(found) == MAX_HINTS:
                        break
        return list(found.values())


async def _hints(search: SearchExecutor, text: str) -> AsyncGenerator[Hint]:
    for hint in await search.list_hints(text):
        yield hint
    query, visibility = search.predicates.query, search.predicates.visibility
    names = sorted({leaf.name for leaf in ast.leaves(query) if isinstance(leaf, ast.Tag)})
    unused = set(names) - await list_used_names(search.session, names, visibility) if names else set()
    for name in sorted(unused)[:MAX_SPELLED]:
        for similar in await list_similar_names(search.session, name, visibility):
            message = f"No image that you can see has the tag {name}. A similar tag is {similar}."
            renamed = _rename(query, name, similar)
            respelled = await search.engine.prepare(search.session, renamed, visibility)
            if await respelled.has_match():
                yield Hint(message, format_query(renamed))
    for message, shorter in _removals(search.predicates, unused):
        if await replace(search, predicates=replace(search.predicates, query=shorter)).has_match():
            yield Hint(message, format_query(shorter))


def _removals(predicates: QueryPredicates, unused: set[str]) -> Iterator[tuple[str, ast.Node]]:
    """Yield the query without the unused tags that every match must have, or else without each of its terms.

    The queries that a tag bounds come first, because they take least time.
    """
    query = predicates.query
    required = [term for term in conjuncts(query) if isinstance(term, ast.Tag) and term.name in unused]
    if required:
        rest = [term for term in conjuncts(query) if term not in required]
        if rest:
            names = ", ".join(dict.fromkeys(term.name for term in required))
            yield f"No image that you can see has the tag {names}.", ast.conjunction(rest)
        return
    leaves = list(ast.leaves(query))[:MAX_REMOVED]
    others = [(leaf, ast.without_leaf(query, number)) for number, leaf in enumerate(leaves)]
    changed = [(leaf, other) for leaf, other in others if other is not None]
    changed.sort(key=lambda one: replace(predicates, query=one[1]).is_unbounded)
    for leaf, other in changed:
        yield f"Images match without the term {format_query(leaf)}.", other


def _rename(query: ast.Node, name: str, other: str) -> ast.Node:
    """Return the query with another name instead of a tag's."""
    match query:
        case ast.Tag(tag):
            return ast.Tag(other) if tag == name else query
        case ast.Not(term):
            return ast.Not(_rename(term, name, other))
        case ast.And(terms):
            return ast.And(tuple(_rename(term, name, other) for term in terms))
        case ast.Or(terms):
            return ast.Or(tuple(_rename(term, name, other) for term in terms))
        case ast.AtLeast(number, terms):
            return ast.AtLeast(number, tuple(_rename(term, name, other) for term in terms))
    return query
