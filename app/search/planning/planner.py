"""Chooses the strategy for the next step of a search: pure functions of the query and of an estimate."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Generic, Protocol, TypeVar

from app.search.planning.cost_model import CostModel
from app.search.planning.planned_query import PageEstimate, PlannedQuery
from app.search.planning.table_sample import Sample

# The row limit of a step that searches everything.
ALL_ROWS = 2**31 - 1


class Candidate(Protocol):
    """The part of a strategy that the planner sees."""

    name: ClassVar[str]

    def supports(self, query: PlannedQuery) -> bool:
        """Return whether the strategy can find matches of the query in its order."""

    def cost(self, query: PlannedQuery, estimate: PageEstimate) -> float:
        """Return the cost of the rest of the page in microseconds; infinite if the strategy is not worth a try."""

    def max_rows(self, query: PlannedQuery, estimate: PageEstimate) -> int:
        """Return how many rows of the order a step should search at most."""


S = TypeVar("S", bound=Candidate)


@dataclass(frozen=True, slots=True)
class Step(Generic[S]):
    """One step towards the page: the strategy, how many rows it may search, its expected cost, and the reason."""

    strategy: S
    max_rows: int
    cost: float
    reason: str
    is_probe: bool = False


class Planner(Generic[S]):
    """Chooses among strategies. `ordered_scan` and `fetch_and_sort` are required, all others optional."""

    def __init__(self, strategies: Sequence[S], costs: CostModel) -> None:
        self._strategies = {strategy.name: strategy for strategy in strategies}
        self._costs = costs

    def estimate(self, query: PlannedQuery, limit: int) -> PageEstimate:
        """Return the estimate before the first step: known for a query whose tags give the number of matches."""
        predicates = query.predicates
        if not predicates.is_counted_by_tags or not predicates.max_matches:
            return PageEstimate(limit)
        return PageEstimate(limit, limit * predicates.tags.total_images / predicates.max_matches)

    def needs_sample(self, query: PlannedQuery, estimate: PageEstimate) -> bool:
        """Return whether a sample of the table has to come before the next choice.

        In an order other than that of creation a probe jumps across the table, so a sample of it costs less.
        """
        is_probe_costly = not query.is_creation_order and query.predicates.is_indexed
        is_unknown = estimate.is_first and estimate.expected_rows is None
        return estimate.is_sample_due or (
            is_unknown and is_probe_costly and self._choose_known(query, estimate) is None
        )

    def choose(self, query: PlannedQuery, estimate: PageEstimate) -> Step[S]:
        """Return the next step."""
        if "name_index_scan" in estimate.unavailable:
            return self._fetch_all(query, estimate, "too many names fit")
        if estimate.is_first:
            if step := self._choose_known(query, estimate):
                return step
            if estimate.expected_rows is None:
                return self._probe(query)
        return self._cheapest(query, estimate)

    def add_sample(self, query: PlannedQuery, estimate: PageEstimate, sample: Sample) -> PageEstimate:
        """Return the estimate after a sample, instead of a probe or in addition to one.

        If an even distribution would fill the page within 8 times the probe, the next step goes as far as that.
        """
        if not estimate.is_sample_due:
            return self._extrapolate(query, estimate, max(1, sample.images), sample.matches)
        probed = self._costs.probe_rows
        matches = estimate.probe_matches + sample.matches
        extrapolated = self._extrapolate(query, estimate, probed + sample.images, matches)
        max_rows = self._costs.max_growth * probed
        near = max_rows / self._costs.safety_factor
        if extrapolated.expected_rows is not None and extrapolated.expected_rows <= near:
            return replace(extrapolated, expected_rows=near, max_rows=max_rows)
        return extrapolated

    def add_step(self, query: PlannedQuery, estimate: PageEstimate, step: Step[S], matches: int) -> PageEstimate:
        """Return the estimate after a step that found some matches, but not the whole page."""
        rest = replace(estimate, limit=estimate.limit - matches, is_first=False)
        if not step.is_probe:
            # If most of the page was found, the next step may be as long again.
            rest = replace(rest, searched_rows=0 if matches > rest.limit else step.max_rows)
        elif self._is_probe_inconclusive(query, estimate, matches):
            return replace(rest, is_sample_due=True, probe_matches=matches)
        return self._extrapolate(query, rest, step.max_rows, matches)

    def _choose_known(self, query: PlannedQuery, estimate: PageEstimate) -> Step[S] | None:
        """Return the step that needs no probe, because of the counts of the tags."""
        predicates = query.predicates
        if predicates.max_matches <= self._costs.fetch_at_once:
            return self._fetch_all(query, estimate, "few matches")
        if self._is_name_scan_short(query, estimate):
            return self._fetch_all(query, estimate, "few names fill the page")
        # If a probe would not fill the page, two indexes find all matches in less time.
        if predicates.has_one_camera and not predicates.fills(estimate.limit, self._costs.probe_rows):
            return self._fetch_all(query, estimate, "few matches with this camera")
        bitmaps = self._usable(query, estimate, "bitmap_scan")
        if bitmaps and query.bitmaps.is_complete and self._is_probe_futile(query, estimate):
            return Step(bitmaps, ALL_ROWS, bitmaps.cost(query, estimate), "bitmaps answer the whole query")
        return None

    def _is_name_scan_short(self, query: PlannedQuery, estimate: PageEstimate) -> bool:
        """Return whether the page is full after few names, so that no probe is needed."""
        if not query.is_creation_order or math.isinf(query.predicates.max_matches):
            return False
        names = self._usable(query, estimate, "name_index_scan")
        return names is not None and not math.isinf(names.cost(query, estimate))

    def _is_probe_futile(self, query: PlannedQuery, estimate: PageEstimate) -> bool:
        """Return whether a probe would probably find less than a quarter of the page."""
        predicates = query.predicates
        found = self._costs.probe_rows * predicates.independent_matches
        return found < estimate.limit / 4 * predicates.tags.total_images

    def _is_probe_inconclusive(self, query: PlannedQuery, estimate: PageEstimate, matches: int) -> bool:
        """Return whether a probe found too little to extrapolate, and no name, period or bitmaps help instead."""
        bitmaps = self._usable(query, estimate, "bitmap_scan")
        has_alternative = (
            query.predicates.has_name_prefix
            or self._usable(query, estimate, "taken_index_scan") is not None
            or (bitmaps is not None and query.bitmaps.is_complete)
        )
        is_large = query.predicates.max_matches > self._costs.sample_above
        return matches < self._costs.min_matches_to_extrapolate and is_large and not has_alternative

    def _probe(self, query: PlannedQuery) -> Step[S]:
        strategy = self._strategies["ordered_scan"]
        cost = self._costs.probe(is_creation_order=query.is_creation_order)
        return Step(strategy, self._costs.probe_rows, cost, "probe", is_probe=True)

    def _cheapest(self, query: PlannedQuery, estimate: PageEstimate) -> Step[S]:
        """Return the cheapest step; if none is cheaper or goes further than the last, fetch all matches."""
        names = ("range_fetch", "ordered_scan", "bitmap_scan", "taken_index_scan")
        usable = [one for name in names if (one := self._usable(query, estimate, name))]
        cost, _, strategy = min(
            ((one.cost(query, estimate), number, one) for number, one in enumerate(usable)), default=(math.inf, 0, None)
        )
        fetch_cost = self._strategies["fetch_and_sort"].cost(query, estimate)
        if strategy is None or cost >= fetch_cost:
            return self._fetch_all(query, estimate, "no other strategy is cheaper")
        max_rows = strategy.max_rows(query, estimate)
        if max_rows <= estimate.searched_rows:
            return self._fetch_all(query, estimate, "no other strategy goes further")
        return Step(strategy, int(min(max_rows, estimate.max_rows)), cost, "cheapest")

    def _fetch_all(self, query: PlannedQuery, estimate: PageEstimate, reason: str) -> Step[S]:
        """Return the name index scan if it is worth a try, else fetch and sort."""
        strategy = self._usable(query, estimate, "name_index_scan")
        if strategy is None or math.isinf(strategy.cost(query, estimate)):
            strategy = self._strategies["fetch_and_sort"]
        return Step(strategy, ALL_ROWS, strategy.cost(query, estimate), reason)

    def _usable(self, query: PlannedQuery, estimate: PageEstimate, name: str) -> S | None:
        """Return the strategy if it is enabled, supports the query and has not failed before."""
        strategy = self._strategies.get(name)
        if strategy is None or name in estimate.unavailable or not strategy.supports(query):
            return None
        return strategy

    def _extrapolate(self, query: PlannedQuery, estimate: PageEstimate, rows: int, matches: int) -> PageEstimate:
        """Return after how many rows the rest of the page is full, if the matches continue at the same rate.

        No match counts as half a match. But for a query with filters and an index, "hardly any" means that fetching
        all matches by the index is short, so no other strategy is tried.
        """
        predicates = query.predicates
        max_rows = math.inf if matches >= self._costs.min_matches_to_extrapolate else self._costs.max_growth * rows
        expected = rows * estimate.limit / max(matches, 0.5)
        is_fetch_short = not matches and predicates.is_indexed and not predicates.is_index_exact
        if is_fetch_short and self._usable(query, estimate, "bitmap_scan") is None:
            expected = math.inf
        return replace(
            estimate, expected_rows=expected, max_rows=max_rows, is_first=False, is_sample_due=False, probe_matches=0
        )
