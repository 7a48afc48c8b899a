"""Finds a page by the names that fit a glob, from indexes that are partitioned by week.

See docs/performance/notes/partition-the-name-index-by-week.md.
"""

import math
from functools import partial
from typing import ClassVar

from app.db.asyncpg_queries import Reader, fetch
from app.db.sql_text import TRUE, BindParameters, Condition, sql_and
from app.search.planning.cost_model import CostModel
from app.search.planning.glob import Glob
from app.search.planning.planned_query import PageEstimate, PlannedQuery
from app.search.planning.planner import ALL_ROWS
from app.search.planning.sort_order import ConditionBuilder, SortKey
from app.search.strategies.row import IMAGE_COLUMNS, ImageRow
from app.search.strategies.strategy import UNAVAILABLE, PartialPage
from app.search.strategies.weekly_index import fetch_newest, fitting


class NameIndexScan:
    """The images whose names fit, each checked against the whole query, up to 4,000."""

    name: ClassVar[str] = "name_index_scan"

    def __init__(self, costs: CostModel) -> None:
        self._costs = costs

    def supports(self, query: PlannedQuery) -> bool:
        """Support queries with a glob that the names of all matches fit, if the trigram index is of no use for it."""
        return query.predicates.unselective_glob is not None

    def cost(self, query: PlannedQuery, estimate: PageEstimate) -> float:
        """Return the cost of the look-ups; infinite if fetching the images of the tags is shorter."""
        predicates, costs = query.predicates, self._costs
        if not query.is_creation_order:
            return costs.lookup * costs.max_names if predicates.max_matches > costs.fetch_before_names else math.inf
        if math.isinf(predicates.max_matches):
            return costs.lookup * costs.max_names
        glob = predicates.unselective_glob
        has_both_ends = glob is not None and bool(glob.prefix and glob.suffix)
        few = costs.few_names_with_both_ends if has_both_ends else costs.few_names
        return costs.lookup * few if predicates.fills(estimate.limit, few) else math.inf

    def max_rows(self, _query: PlannedQuery, _estimate: PageEstimate) -> int:
        """Return that all rows are searched."""
        return ALL_ROWS

    async def fetch(
        self, session: Reader, query: PlannedQuery, after: SortKey | None, _max_rows: int, limit: int
    ) -> PartialPage:
        """Look up the images whose names fit. UNAVAILABLE if that does not fill the page and more names fit."""
        glob = query.predicates.unselective_glob
        if glob is None:
            return UNAVAILABLE
        fits = partial(_fits, glob)
        if query.is_creation_order:
            return await fetch_newest(session, query, fits, after, limit, self._costs.max_names)
        return await self._fetch_all(session, query, fits, after, limit)

    async def _fetch_all(
        self, session: Reader, query: PlannedQuery, fits: ConditionBuilder, after: SortKey | None, limit: int
    ) -> PartialPage:
        """Look up all images whose names fit, and sort them."""
        values, order, max_names = BindParameters(), query.order, self._costs.max_names
        statement = f"""
            WITH candidates AS MATERIALIZED (
                SELECT id FROM {fitting(query, fits, lambda _values: TRUE, values)}
                LIMIT {values.bind(max_names + 1)}
            ), counted AS MATERIALIZED (SELECT count(*) AS number FROM candidates)
            SELECT number, found.* FROM counted LEFT JOIN (
                SELECT {IMAGE_COLUMNS} FROM images WHERE id = ANY(ARRAY(
                    SELECT id FROM images
                    WHERE (SELECT number FROM counted) <= {values.bind(max_names)}
                    AND id = ANY(ARRAY(SELECT id FROM candidates))
                    AND {query.predicates.visible_condition(values)} AND {order.follows(after, values)}
                    ORDER BY {order.full_order_by(values)} LIMIT {values.bind(limit)}
                ))
            ) AS found ON TRUE ORDER BY {order.full_order_by(values)}"""  # noqa: S608
        rows = await fetch(session, statement, values.values)
        if rows[0]["number"] > max_names:
            return UNAVAILABLE
        return PartialPage([ImageRow._make(row[1:]) for row in rows if row["id"] is not None], is_complete=True)


def _fits(glob: Glob, values: BindParameters) -> Condition:
    return sql_and([glob.sql(values), glob.suffix_range(values)])
