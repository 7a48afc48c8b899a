"""Finds the newest or oldest images by the time at which they were taken, from an index that is partitioned by week."""

import math
from typing import ClassVar

from app.db.asyncpg_queries import Reader
from app.db.sql_text import BindParameters, Condition, sql_and
from app.search.planning.cost_model import CostModel
from app.search.planning.planned_query import PageEstimate, PlannedQuery
from app.search.planning.planner import ALL_ROWS
from app.search.planning.sort_order import SortKey
from app.search.strategies.strategy import PartialPage
from app.search.strategies.weekly_index import fetch_newest

# Those on columns of the index.
_FILTERS = ("taken", "camera")


class TakenIndexScan:
    """The images that were taken in a period, each checked against the whole query, up to 2,000.

    Images are mostly uploaded soon after they are taken. So the matches lie together in the order of creation, and an
    ordered scan passes all newer images first. The index also has the camera, so images of others are not looked up.
    """

    name: ClassVar[str] = "taken_index_scan"

    def __init__(self, costs: CostModel) -> None:
        self._costs = costs

    def supports(self, query: PlannedQuery) -> bool:
        """Support the order of creation, for a query with a `taken:` that every match must fulfil."""
        return query.is_creation_order and query.predicates.has_taken_range

    def cost(self, query: PlannedQuery, estimate: PageEstimate) -> float:
        """Return the cost of the look-ups; infinite if the tags do not fill the page after as many."""
        costs = self._costs
        return costs.lookup * costs.max_taken if query.predicates.fills(estimate.limit, costs.max_taken) else math.inf

    def max_rows(self, _query: PlannedQuery, _estimate: PageEstimate) -> int:
        """Return that all rows are searched."""
        return ALL_ROWS

    async def fetch(
        self, session: Reader, query: PlannedQuery, after: SortKey | None, _max_rows: int, limit: int
    ) -> PartialPage:
        """Look up the images of the period. UNAVAILABLE if that does not fill the page and the period has more."""

        def fits(values: BindParameters) -> Condition:
            return sql_and(query.predicates.required_filters(values, name) for name in _FILTERS)

        return await fetch_newest(session, query, fits, after, limit, self._costs.max_taken)
