"""Runs a search: one step after the other until the page is full. See docs/explanation/how-a-search-runs.md."""

import asyncio
import time
import uuid
from collections.abc import Collection
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace

from app.authz.visibility import VisibilityScope
from app.core.observability.request_counters import SearchStep, count_search_step
from app.db.asyncpg_queries import Reader
from app.db.base import utc_now
from app.db.sql_text import BindParameters
from app.search.language import ast
from app.search.language.hints import Hint, find_prefixed_terms, make_hints
from app.search.planning.cost_model import CostModel
from app.search.planning.planned_query import PageEstimate, PlannedQuery
from app.search.planning.planner import Planner, Step
from app.search.planning.predicates import QueryPredicates
from app.search.planning.similar_resolution import resolve_similar
from app.search.planning.sort_order import SortKey, SortOrder
from app.search.planning.table_sample import take_sample
from app.search.planning.tag_resolution import list_visible_names, resolve_tags
from app.search.repository import list_match_ids
from app.search.strategies.bitmap_scan import BitmapScan
from app.search.strategies.fetch_and_sort import FetchAndSort, RangeFetch
from app.search.strategies.name_index_scan import NameIndexScan
from app.search.strategies.ordered_scan import OrderedScan
from app.search.strategies.row import ImageRow
from app.search.strategies.strategy import PartialPage, Strategy
from app.search.strategies.taken_index_scan import TakenIndexScan

STRATEGIES: tuple[type[Strategy], ...] = (
    OrderedScan,
    FetchAndSort,
    RangeFetch,
    NameIndexScan,
    TakenIndexScan,
    BitmapScan,
)
# Searches without a bound that run at once in a worker: each of them occupies a processor of PostgreSQL.
LONG_SEARCHES = 1
NEWEST_FIRST = "-created"


class SearchEngine:
    """The strategies, the planner and the turns of long searches, which all searches of a worker share."""

    def __init__(
        self, enabled: Collection[str] | None = None, costs: CostModel | None = None, long_searches: int = LONG_SEARCHES
    ) -> None:
        self.costs = costs or CostModel()
        made = [strategy(self.costs) for strategy in STRATEGIES if enabled is None or strategy.name in enabled]
        self.planner: Planner[Strategy] = Planner(made, self.costs)
        self.uses_bitmaps = any(isinstance(strategy, BitmapScan) for strategy in made)
        self.long_searches = asyncio.Semaphore(long_searches)
        # Steps since the start of the worker, by strategy; a metric.
        self.steps = {strategy.name: 0 for strategy in made}

    async def prepare(self, session: Reader, query: ast.Node, visibility: VisibilityScope) -> "SearchExecutor":
        """Return the search of a query with resolved tags. Raises QueryTooBroad."""
        tags = await resolve_tags(session, query, visibility)
        similar = await resolve_similar(session, query, visibility)
        return SearchExecutor(session, QueryPredicates(query, tags, visibility, utc_now(), similar), self)


@dataclass(slots=True)
class SearchExecutor:
    """Runs one query. The statements of the session are bounded in time; see `Database.search_session`."""

    session: Reader
    predicates: QueryPredicates
    engine: SearchEngine
    # The steps so far.
    trace: list[SearchStep] = field(default_factory=list)

    async def fetch_page(self, order: SortOrder, after: SortKey | None, limit: int) -> tuple[list[ImageRow], bool]:
        """Return up to `limit` matches after the key, and whether more follow. Raises QueryTimeout."""
        rows = await self._fetch_rows(PlannedQuery(self.predicates, order), after, limit + 1)
        return rows[:limit], len(rows) > limit

    async def has_match(self) -> bool:
        """Return whether an image matches. Raises QueryTimeout."""
        return bool(await self._fetch_rows(PlannedQuery(self.predicates, SortOrder(NEWEST_FIRST)), None, 1))

    async def list_hints(self, text: str) -> list[Hint]:
        """Return hints for the text of this query, which matches nothing. Raises QueryTimeout."""
        terms = find_prefixed_terms(text)
        wildcards = self.predicates.tags.wildcards
        known = {pattern for pattern, tags in wildcards.items() if tags}
        if names := sorted(terms.keys() - wildcards.keys()):
            known |= await list_visible_names(self.session, names, self.predicates.visibility)
        unknown = [token for name, token in terms.items() if name not in known]
        return make_hints(text, unknown, self.predicates.visibility.principal_id)

    async def list_ids(self, owner: uuid.UUID | None, limit: int) -> list[uuid.UUID]:
        """Return the ids of up to `limit` matches, unordered; with an owner, of theirs only. Raises QueryTimeout."""
        return await list_match_ids(self.session, self.predicates, owner, limit)

    async def _fetch_rows(self, query: PlannedQuery, after: SortKey | None, limit: int) -> list[ImageRow]:
        planner = self.engine.planner
        estimate = planner.estimate(query, limit)
        rows: list[ImageRow] = []
        async with AsyncExitStack() as turn:
            is_waiting = query.predicates.is_unbounded
            while True:
                if planner.needs_sample(query, estimate):
                    estimate = await self._take_sample(query, estimate)
                step = planner.choose(query, estimate)
                if is_waiting and not step.is_probe:
                    # The session waits for its turn without a connection.
                    await self.session.rollback()
                    await turn.enter_async_context(self.engine.long_searches)
                    is_waiting = False
                page = await self._run(query, estimate, step, after)
                rows += page.rows
                if page.is_complete:
                    return rows
                if not page.is_available:
                    unavailable = estimate.unavailable | {step.strategy.name}
                    estimate = replace(estimate, unavailable=unavailable)
                    continue
                after = query.order.key_of(rows[-1]) if page.rows else after
                estimate = planner.add_step(query, estimate, step, len(page.rows))

    async def _run(
        self, query: PlannedQuery, estimate: PageEstimate, step: Step[Strategy], after: SortKey | None
    ) -> PartialPage:
        started, page = time.perf_counter(), None
        try:
            page = await step.strategy.fetch(self.session, query, after, step.max_rows, estimate.limit)
        finally:
            self._note(estimate, step, page, time.perf_counter() - started)
        return page

    def _note(self, estimate: PageEstimate, step: Step[Strategy], page: PartialPage | None, seconds: float) -> None:
        """Add a step to the trace. Without a page it was interrupted, by the time limit for example."""
        outcome = "; interrupted" if page is None else "" if page.is_available else "; unavailable"
        self.engine.steps[step.strategy.name] += 1
        noted = SearchStep(
            strategy=step.strategy.name,
            reason=f"{step.reason}{outcome}",
            expected_rows=estimate.expected_rows,
            cost=step.cost,
            max_rows=step.max_rows,
            returned_rows=0 if page is None else len(page.rows),
            milliseconds=seconds * 1000,
        )
        self.trace.append(noted)
        count_search_step(noted)

    async def _take_sample(self, query: PlannedQuery, estimate: PageEstimate) -> PageEstimate:
        values = BindParameters()
        condition = self.predicates.visible_condition(values)
        sample = await take_sample(self.session, condition, values, self.engine.costs.probe_rows)
        return self.engine.planner.add_sample(query, estimate, sample)
