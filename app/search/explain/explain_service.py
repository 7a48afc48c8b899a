"""Explains a query: the matches of its terms, the matches without each term, and the plan."""

import math
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from app.authz.visibility import VisibilityScope
from app.core.callers import current_caller
from app.core.errors import QueryTimeout
from app.core.fair_queue import FairQueue
from app.core.observability.request_counters import SearchStep
from app.core.pagination import DEFAULT_LIMIT
from app.db.base import utc_now
from app.db.database import Database
from app.search.executor import NEWEST_FIRST, SearchEngine, SearchExecutor
from app.search.explain.repository import QueryBatch, count_by_bitmaps, count_by_rows
from app.search.language import ast
from app.search.language.parser import ParsedQuery
from app.search.planning.bitmap_coverage import is_computable
from app.search.planning.glob import fits_wildcard
from app.search.planning.planned_query import PlannedQuery
from app.search.planning.predicates import QueryPredicates, conjuncts
from app.search.planning.sort_order import SortOrder
from app.search.planning.tag_resolution import ResolvedTag, TagNames, list_tag_names, resolve_some_tags
from app.search.repository import estimate_images
from app.search.service import COUNT_SHARE


@dataclass(frozen=True, slots=True)
class ExplainedTerm:
    """A term of the query. `images` is None if the count took too long, or if the wildcard is too broad."""

    term: str
    position: int
    images: int | None
    aliases: Sequence[str]
    expanded: Sequence[str]
    is_truncated: bool


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """The first step of the search; all None for a query that is refused. `cost` is in microseconds."""

    access_path: str | None = None
    estimated_matches: int | None = None
    cost: float | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """The terms in the order of the text, the matches without each, and the plan; for an admin also its steps."""

    terms: Sequence[ExplainedTerm]
    plan: SearchPlan
    without: Sequence[int | None]
    steps: Sequence[SearchStep] | None


class ExplainService:
    """Explains searches, in the queue of searches."""

    def __init__(self, database: Database, engine: SearchEngine, queue: FairQueue, timeout_seconds: float) -> None:
        self._database = database
        self._engine = engine
        self._queue = queue
        self._seconds = timeout_seconds

    async def explain(self, query: ParsedQuery, visibility: VisibilityScope) -> Explanation:
        """Return the explanation of a query. Raises QueryTimeout, TooManyRequests, Unauthenticated."""
        async with self._queue.enter(current_caller.get()):
            async with self._database.search_reader() as session:
                tags = await resolve_some_tags(session, query.tree, visibility)
                names = await list_tag_names(session, tags.all, visibility) if tags.all else {}
                images = await estimate_images(session)
            predicates = QueryPredicates(query.tree, tags, visibility, utc_now())
            leaves = list(ast.leaves(query.tree))
            others = [ast.without_leaf(query.tree, number) or ast.MATCH_ALL for number in range(len(leaves))]
            wanted = [one for one in dict.fromkeys([ast.MATCH_ALL, *leaves, *others]) if not _is_cut(one, predicates)]
            counts = await _Counter(self._database, self._engine, predicates, images).count(
                wanted, COUNT_SHARE * self._seconds
            )
            is_runnable = not tags.truncated
            steps = await self._run(predicates) if visibility.sees_all and is_runnable else None
        return Explanation(
            terms=[
                _explain_term(leaf, position, counts.get(leaf), predicates, names)
                for leaf, position in zip(leaves, query.positions, strict=True)
            ],
            plan=self._plan(predicates, counts, names) if is_runnable else SearchPlan(),
            without=[counts.get(other) for other in others],
            steps=steps,
        )

    def _plan(
        self, predicates: QueryPredicates, counts: dict[ast.Node, int | None], names: dict[int, TagNames]
    ) -> SearchPlan:
        """Return the first step for a collection that has only the visible images.

        The number of all images would disclose how many are private.
        """
        images = {id_: tag.images for id_, tag in names.items()}
        total = max(1, *images.values(), *(count for count in counts.values() if count is not None))
        tags = predicates.tags.with_counts(images, total)
        query = PlannedQuery(replace(predicates, tags=tags), SortOrder(NEWEST_FIRST))
        planner = self._engine.planner
        step = planner.choose(query, planner.estimate(query, DEFAULT_LIMIT + 1))
        matches = query.predicates.independent_matches
        return SearchPlan(
            step.strategy.name,
            None if math.isinf(matches) else round(matches),
            None if math.isinf(step.cost) else round(step.cost, 1),
        )

    async def _run(self, predicates: QueryPredicates) -> Sequence[SearchStep]:
        """Return the steps of the first page. A step that exceeds the time limit is the last."""
        trace: list[SearchStep] = []
        with suppress(QueryTimeout):
            async with self._database.search_reader() as session:
                search = SearchExecutor(session, predicates, self._engine, trace)
                await search.fetch_page(SortOrder(NEWEST_FIRST), None, DEFAULT_LIMIT)
        return trace


@dataclass(slots=True)
class _Counter:
    """Counts the matches of queries over the same tags, until the time is over."""

    database: Database
    engine: SearchEngine
    predicates: QueryPredicates
    # Roughly, of the whole collection.
    images: float

    async def count(self, queries: Sequence[ast.Node], seconds: float) -> dict[ast.Node, int | None]:
        """Return the number of visible matches of each query; those that take too long are missing.

        The bitmaps come first. The others take a look at all images of a small collection, at some of a large one.
        """
        deadline, costs = time.monotonic() + seconds, self.engine.costs
        counts: dict[ast.Node, int | None] = {}
        with suppress(QueryTimeout):
            if self.images <= costs.count_sample:
                return await self._count_rows(queries, deadline)
            counts |= await self._count_by_bitmaps([one for one in queries if is_computable(one)], deadline)
            rest = [one for one in queries if one not in counts]
            count_rest = self._count_rows if self.images <= costs.explain_rows else self._count_bounded
            counts |= await count_rest(rest, deadline)
        return counts

    async def _count_by_bitmaps(self, queries: Sequence[ast.Node], deadline: float) -> dict[ast.Node, int | None]:
        if not queries or not self.engine.uses_bitmaps:
            return {}
        async with self.database.search_reader(_left(deadline)) as session:
            batch = QueryBatch(self.predicates, queries)
            counts = await count_by_bitmaps(session, batch, self.engine.costs.max_queued_for_count)
        return {} if counts is None else dict(zip(queries, counts, strict=True))

    async def _count_bounded(self, queries: Sequence[ast.Node], deadline: float) -> dict[ast.Node, int | None]:
        """Count the queries with the rarest tags, up to the limit of the look-ups.

        Each match has one of these tags. A query with an unknown tag needs no look-up.
        """
        bounded: list[ast.Node] = []
        looked_up = frozenset[ResolvedTag]()
        for query in sorted(queries, key=self.predicates.max_matches_of):
            rarest = self._rarest_tags(query)
            wider = looked_up.union(rarest or ())
            if rarest is not None and sum(tag.images for tag in wider) <= self.engine.costs.explain_lookups:
                bounded.append(query)
                looked_up = wider
        return await self._count_rows(bounded, deadline, [tag.id for tag in looked_up])

    def _rarest_tags(self, query: ast.Node) -> tuple[ResolvedTag, ...] | None:
        """Return the tags of which every match has one; None if the query requires no tag."""
        terms = [term for term in conjuncts(query) if isinstance(term, ast.Tag | ast.Wildcard)]
        rarest = min(terms, key=self.predicates.max_matches_of, default=None)
        return None if rarest is None else self.predicates.tags.tags_of(rarest)

    async def _count_rows(
        self, queries: Sequence[ast.Node], deadline: float, tags: Sequence[int] | None = None
    ) -> dict[ast.Node, int | None]:
        if not queries:
            return {}
        async with self.database.search_reader(_left(deadline)) as session:
            batch = QueryBatch(self.predicates, queries)
            counts = await count_by_rows(session, batch, tags)
        return dict(zip(queries, counts, strict=True))


def _left(deadline: float) -> float:
    """Return the seconds until the deadline. Raises QueryTimeout."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise QueryTimeout
    return seconds


def _is_cut(query: ast.Node, predicates: QueryPredicates) -> bool:
    """Return whether the query has a wildcard of which only some tags are known."""
    cut = predicates.tags.truncated
    return any(isinstance(leaf, ast.Wildcard) and leaf.pattern in cut for leaf in ast.leaves(query))


def _explain_term(
    leaf: ast.Tag | ast.Wildcard | ast.Filter,
    position: int,
    images: int | None,
    predicates: QueryPredicates,
    names: dict[int, TagNames],
) -> ExplainedTerm:
    """Return a term with the visible names that it stands for."""
    text = ast.format_query(leaf)
    if isinstance(leaf, ast.Filter):
        return ExplainedTerm(text, position, images, (), (), is_truncated=False)
    known = [names[tag.id] for tag in predicates.tags.tags_of(leaf) if tag.id in names]
    aliases = sorted(alias for tag in known for alias in tag.aliases)
    expanded = sorted(tag.name for tag in known)
    if isinstance(leaf, ast.Wildcard):
        fitting = [alias for alias in aliases if fits_wildcard(alias, leaf.pattern)]
        return ExplainedTerm(text, position, images, fitting, expanded, leaf.pattern in predicates.tags.truncated)
    # A tag that is found by its own name needs no expansion.
    expanded = [name for name in expanded if name != leaf.name]
    return ExplainedTerm(text, position, images, aliases, expanded, is_truncated=False)
