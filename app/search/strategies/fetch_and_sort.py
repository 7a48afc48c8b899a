"""Fetches matches from the index over the tags and sorts them: quick if few images match."""

from typing import ClassVar

from app.db.asyncpg_queries import Reader, fetch
from app.db.sql_text import TRUE, BindParameters, Condition, sql_and
from app.search.planning.cost_model import CostModel
from app.search.planning.planned_query import PageEstimate, PlannedQuery
from app.search.planning.planner import ALL_ROWS
from app.search.planning.sort_order import ConditionBuilder, SortKey, SortOrder
from app.search.strategies.row import IMAGE_COLUMNS, ImageRow
from app.search.strategies.strategy import PartialPage


class FetchAndSort:
    """All matches, sorted. Finds the rest of every page, so it is the last resort."""

    name: ClassVar[str] = "fetch_and_sort"

    def __init__(self, costs: CostModel) -> None:
        self._costs = costs

    def supports(self, _query: PlannedQuery) -> bool:
        """Support every query."""
        return True

    def cost(self, query: PlannedQuery, estimate: PageEstimate) -> float:
        """Return the cost of fetching all matches; infinite if the tags do not bound them."""
        return self._costs.fetch_and_sort(query.cost_inputs(estimate))

    def max_rows(self, _query: PlannedQuery, _estimate: PageEstimate) -> int:
        """Return that all rows are searched."""
        return ALL_ROWS

    async def fetch(
        self, session: Reader, query: PlannedQuery, after: SortKey | None, _max_rows: int, limit: int
    ) -> PartialPage:
        """Fetch all matches after the key."""
        values = BindParameters()
        matches = f"SELECT * FROM images WHERE {query.predicates.visible_condition(values)}"  # noqa: S608
        condition = query.order.follows(after, values)
        rows = await _fetch_sorted(session, matches, condition, query.order, limit, values)
        return PartialPage(rows, is_complete=True)


class RangeFetch:
    """The matches within the next rows of the order, sorted.

    One index lists the rows of the range, another the matches. PostgreSQL looks up only what both list.
    """

    name: ClassVar[str] = "range_fetch"

    def __init__(self, costs: CostModel) -> None:
        self._costs = costs

    def supports(self, _query: PlannedQuery) -> bool:
        """Support every query."""
        return True

    def cost(self, query: PlannedQuery, estimate: PageEstimate) -> float:
        """Return the cost; infinite without an estimate, or with tags whose index lists are too long."""
        return self._costs.range_fetch(query.cost_inputs(estimate))

    def max_rows(self, query: PlannedQuery, estimate: PageEstimate) -> int:
        """Return the expected length of the page with its margin."""
        return self._costs.rows_to_search(query.cost_inputs(estimate))

    async def fetch(
        self, session: Reader, query: PlannedQuery, after: SortKey | None, max_rows: int, limit: int
    ) -> PartialPage:
        """Fetch the matches up to the row number `max_rows` after the key."""
        rows: list[ImageRow] = []
        for index_range in query.order.index_ranges(after):
            values = BindParameters()
            last = await _find_key(session, query, index_range, max_rows)
            conditions = [
                query.range_condition(index_range, values),
                TRUE if last is None else query.order.precedes(last, after, values),
            ]
            condition = sql_and([query.predicates.visible_condition(values), *conditions])
            matches = f"SELECT * FROM images WHERE {condition}"  # noqa: S608
            rows += await _fetch_sorted(session, matches, TRUE, query.order, limit - len(rows), values)
            if len(rows) == limit or last is not None:
                return PartialPage(rows, is_complete=len(rows) == limit)
        return PartialPage(rows, is_complete=True)


async def _find_key(session: Reader, query: PlannedQuery, index_range: ConditionBuilder, number: int) -> SortKey | None:
    """Return the sort key of the row with this number, from 1, in a range; None if the range is shorter."""
    values, order = BindParameters(), query.order
    statement = f"""
        SELECT {order.columns} FROM images WHERE {query.range_condition(index_range, values)}
        ORDER BY {order.order_by()} OFFSET {values.bind(number - 1)} LIMIT 1"""  # noqa: S608
    rows = await fetch(session, statement, values.values)
    return tuple(rows[0]) if rows else None


async def _fetch_sorted(
    session: Reader, matches: str, condition: Condition, order: SortOrder, limit: int, values: BindParameters
) -> list[ImageRow]:
    # OFFSET 0 keeps PostgreSQL from an ordered scan. Unlike a materialised CTE, it keeps no copy of the matches.
    statement = f"""
        SELECT {IMAGE_COLUMNS} FROM images WHERE id = ANY(ARRAY(
            SELECT id FROM ({matches} OFFSET 0) AS matches
            WHERE {condition} ORDER BY {order.full_order_by(values)} LIMIT {values.bind(limit)}
        )) ORDER BY {order.full_order_by(values)}"""  # noqa: S608
    return [ImageRow._make(row) for row in await fetch(session, statement, values.values)]
