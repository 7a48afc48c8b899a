"""Reads along the index of the order and keeps the matches: quick if many images match."""

import math
from typing import ClassVar

from app.db.asyncpg_queries import Reader, fetch, fetch_value
from app.db.sql_text import TRUE, BindParameters
from app.search.planning.cost_model import CostInputs, CostModel
from app.search.planning.planned_query import PageEstimate, PlannedQuery
from app.search.planning.sort_order import ConditionBuilder, SortKey
from app.search.strategies.row import IMAGE_COLUMNS, ImageRow
from app.search.strategies.strategy import PartialPage


class OrderedScan:
    """An index scan in the order of the results, which stops when the page is full."""

    name: ClassVar[str] = "ordered_scan"

    def __init__(self, costs: CostModel) -> None:
        self._costs = costs

    def supports(self, _query: PlannedQuery) -> bool:
        """Support every query."""
        return True

    def cost(self, query: PlannedQuery, estimate: PageEstimate) -> float:
        """Return the cost of the rows up to the end of the page; infinite if fetching all matches is shorter."""
        inputs = query.cost_inputs(estimate)
        return self._costs.ordered_scan(inputs) if self._longest_scan(query, inputs) > 0 else math.inf

    def max_rows(self, query: PlannedQuery, estimate: PageEstimate) -> int:
        """Return the longest scan that is worth a try, and at least a probe."""
        return max(self._costs.probe_rows, self._longest_scan(query, query.cost_inputs(estimate)))

    async def fetch(
        self, session: Reader, query: PlannedQuery, after: SortKey | None, max_rows: int, limit: int
    ) -> PartialPage:
        """Scan each range of the index up to `max_rows`."""
        rows: list[ImageRow] = []
        for index_range in query.order.index_ranges(after):
            rows += await self._scan(session, query, index_range, max_rows, limit - len(rows))
            if len(rows) == limit:
                return PartialPage(rows, is_complete=True)
            if not await self._ends_within(session, query, index_range, max_rows):
                return PartialPage(rows, is_complete=False)
        return PartialPage(rows, is_complete=True)

    def _longest_scan(self, query: PlannedQuery, inputs: CostInputs) -> int:
        """Return how many rows to scan at most: 0 if fetching all matches is shorter."""
        costs, predicates, expected = self._costs, query.predicates, inputs.expected_rows
        if predicates.is_index_exact:
            return costs.longest_scan(inputs)
        if math.isinf(expected):
            return 0
        if not predicates.is_indexed:
            return round(min(costs.longest_scan_unindexed, costs.safety_factor * expected))
        longest, factor = costs.longest_scan_in_other_order, costs.safety_factor
        if query.is_creation_order and predicates.requires("camera"):
            longest = costs.longest_scan_with_camera
        elif query.is_creation_order:
            longest, factor = costs.longest_scan_in_creation_order, costs.low_safety_factor
        if inputs.has_name_prefix:
            longest, factor = min(longest, costs.longest_scan(inputs)), costs.safety_factor
        return round(min(longest, costs.safety_factor * expected)) if factor * expected <= longest else 0

    async def _scan(
        self, session: Reader, query: PlannedQuery, index_range: ConditionBuilder, max_rows: int, limit: int
    ) -> list[ImageRow]:
        values, order_by = BindParameters(), query.order.order_by()
        statement = f"""
            SELECT {IMAGE_COLUMNS} FROM (
                SELECT * FROM images WHERE {query.range_condition(index_range, values)}
                ORDER BY {order_by} LIMIT {values.bind(max_rows)}
            ) AS images
            WHERE {query.predicates.visible_condition(values)}
            ORDER BY {order_by} LIMIT {values.bind(limit)}"""  # noqa: S608 - of constants
        return [ImageRow._make(row) for row in await fetch(session, statement, values.values)]

    async def _ends_within(
        self, session: Reader, query: PlannedQuery, index_range: ConditionBuilder, max_rows: int
    ) -> bool:
        """Return whether the range has no more rows than were scanned."""
        values = BindParameters()
        condition = query.range_condition(index_range, values)
        if condition == TRUE and max_rows == self._costs.probe_rows and not query.predicates.is_unbounded:
            # The whole table after a probe: for a small collection, the next step costs no more than this count.
            return False
        rows = f"SELECT FROM images WHERE {condition} LIMIT {values.bind(max_rows + 1)}"
        number = await fetch_value(session, f"SELECT count(*) FROM ({rows}) AS rows", values.values)  # noqa: S608
        return int(number) <= max_rows
