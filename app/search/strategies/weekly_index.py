"""Finds the newest or oldest images from an index that is partitioned by the week of creation.

Such an index has the values of a week together, so only the weeks that fill the page are read, at 0.1 microseconds an
entry. See docs/performance/notes/partition-the-name-index-by-week.md.
"""

from functools import partial

from app.db.asyncpg_queries import Reader, fetch
from app.db.sql_text import BindParameters, Condition, sql_and
from app.models.image import week
from app.search.planning.planned_query import PlannedQuery
from app.search.planning.sort_order import ConditionBuilder, SortKey
from app.search.strategies.row import IMAGE_COLUMNS, ImageRow
from app.search.strategies.strategy import UNAVAILABLE, PartialPage


async def fetch_newest(
    session: Reader,
    query: PlannedQuery,
    fits: ConditionBuilder,
    after: SortKey | None,
    limit: int,
    max_candidates: int,
) -> PartialPage:
    """Look up the images that fit in the order of creation until the page is full.

    `fits` is a condition on the indexed value. UNAVAILABLE if the first `max_candidates` images do not fill the page.
    Images are looked up by their time as well, because that index has neighbours side by side. One candidate more than
    the limit stands for all others.
    """
    values, order = BindParameters(), query.order
    by_week = f"week {order.direction}, {order.order_by()}"
    follows = partial(order.follows, after)
    statement = f"""
        WITH page AS MATERIALIZED (
            SELECT id, place FROM (
                SELECT week, id, created_at, row_number() OVER (ORDER BY {by_week}) AS place
                FROM {fitting(query, fits, follows, values)}
                ORDER BY {by_week} LIMIT {values.bind(max_candidates + 1)}
            ) AS candidates CROSS JOIN LATERAL (
                SELECT FROM images
                WHERE created_at = candidates.created_at AND id = candidates.id
                AND (place > {values.bind(max_candidates)} OR {query.predicates.visible_condition(values)}) OFFSET 0
            ) AS matching
            ORDER BY {by_week} LIMIT {values.bind(limit)}
        )
        SELECT place, {IMAGE_COLUMNS} FROM page JOIN images USING (id)
        ORDER BY {order.order_by()}"""  # noqa: S608 - of constants, as below
    rows = await fetch(session, statement, values.values)
    if any(row["place"] > max_candidates for row in rows):
        return UNAVAILABLE
    return PartialPage([ImageRow._make(row[1:]) for row in rows], is_complete=True)


def fitting(query: PlannedQuery, fits: ConditionBuilder, index_range: ConditionBuilder, values: BindParameters) -> str:
    """Return, as a table expression, the images of a range of time that fit, week by week."""

    def bounds() -> Condition:
        return sql_and([index_range(values), query.predicates.index_condition(values, frozenset({"date"}))])

    return f"""(
            SELECT generate_series({week("first")}, {week("last")}, '7 days') AS week
            FROM (SELECT min(created_at) AS first, max(created_at) AS last FROM images WHERE {bounds()}) AS span
            ORDER BY week {query.order.direction}
        ) AS weeks CROSS JOIN LATERAL (
            SELECT id, created_at FROM images
            WHERE {week("created_at")} = week AND {fits(values)} AND {bounds()}
            OFFSET 0
        ) AS fitting"""  # noqa: S608
