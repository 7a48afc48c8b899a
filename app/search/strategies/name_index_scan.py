"""A page by the names that fit a glob.

See docs/performance/notes/partition-the-name-index-by-week.md.
"""

import math
from functools import partial

from sqlalchemy.ext.asyncio import AsyncSession

from app.db.asyncpg_queries import fetch
from app.db.sql_text import EVERY, Condition, Values, all_true
from app.models.image import week
from app.search.planning.glob import Glob
from app.search.planning.predicates import QueryPredicates
from app.search.planning.sort_order import Position, Segment, SortOrder
from app.search.strategies.row import IMAGE_COLUMNS, ImageRow

# Of the images whose names fit a glob, so many at most are looked at one by one; in the order of creation where the
# tags tell that so few fill the page, in others where the tags alone have more images than it takes to find all names.
MOST_NAMES = 4_000
FEW_NAMES, FEW_ANCHORED = 1_000, 2_000
GATHERED_BEFORE_NAMES = 60_000


class NameIndexScan:
    """The way to a page of what fulfils the condition, where the plan has a glob that every match's name fits."""

    def __init__(self, session: AsyncSession, plan: QueryPredicates, condition: Segment) -> None:
        self._session = session
        self._plan = plan
        self._condition = condition

    def are_few(self, order: SortOrder, limit: int) -> bool:
        """Tell whether the tags tell that the page is full after few of them."""
        if order.name != "created" or (glob := self._plan.glob) is None or math.isinf(self._plan.at_most):
            return False
        # Where one end of the names does not tell much, the other may.
        few = FEW_ANCHORED if glob.prefix and glob.suffix else FEW_NAMES
        return few * self._plan.at_most >= limit * self._plan.vocabulary.collection

    def _are_shorter(self, order: SortOrder, limit: int) -> bool:
        """Tell whether they are a shorter way to all matches than the tags are."""
        if order.name != "created":
            return self._plan.at_most > GATHERED_BEFORE_NAMES
        return math.isinf(self._plan.at_most) or self.are_few(order, limit)

    async def page(self, order: SortOrder, after: Position | None, limit: int) -> tuple[list[ImageRow], bool]:
        """Return what is found after the position, and whether that is the page; without a glob, nothing."""
        if (glob := self._plan.glob) is None or not self._are_shorter(order, limit):
            return [], False
        way = self._first if order.name == "created" else self._few
        return await way(glob, order, after, limit)

    async def _first(
        self, glob: Glob, order: SortOrder, after: Position | None, limit: int
    ) -> tuple[list[ImageRow], bool]:
        """Look at the images whose names fit, in the order of creation, and tell whether that is the page.

        Their indexes have the names of a week together: no more weeks are read, 0.1 microseconds a name, than it takes
        to fill the page. Images are looked up by their time, too: the index of that has neighbours side by side. One
        more than are looked at stands for all the others.
        """
        values, by_week = Values(), f"week {order.direction}, {order.walk()}"
        later = partial(order.later, after)
        statement = f"""
            WITH page AS MATERIALIZED (
                SELECT id, place FROM (
                    SELECT week, id, created_at, row_number() OVER (ORDER BY {by_week}) AS place
                    FROM {self._named(glob, order, later, values)}
                    ORDER BY {by_week} LIMIT {values.bind(MOST_NAMES + 1)}
                ) AS named CROSS JOIN LATERAL (
                    SELECT FROM images
                    WHERE created_at = named.created_at AND id = named.id
                    AND (place > {values.bind(MOST_NAMES)} OR {self._condition(values)}) OFFSET 0
                ) AS matching
                ORDER BY {by_week} LIMIT {values.bind(limit)}
            )
            SELECT place, {IMAGE_COLUMNS} FROM page JOIN images USING (id) ORDER BY {order.walk()}"""  # noqa: S608
        rows = await fetch(self._session, statement, values.listed)
        found = [ImageRow._make(row[1:]) for row in rows if row["place"] <= MOST_NAMES]
        return found, len(found) == len(rows)

    async def _few(
        self, glob: Glob, order: SortOrder, after: Position | None, limit: int
    ) -> tuple[list[ImageRow], bool]:
        """Look at all images whose names fit, where they are few, and tell whether that is the page."""
        values = Values()
        statement = f"""
            WITH named AS MATERIALIZED (
                SELECT id FROM {self._named(glob, order, lambda _values: EVERY, values)}
                LIMIT {values.bind(MOST_NAMES + 1)}
            ), counted AS MATERIALIZED (SELECT count(*) AS number FROM named)
            SELECT number, found.* FROM counted LEFT JOIN (
                SELECT {IMAGE_COLUMNS} FROM images WHERE id = ANY(ARRAY(
                    SELECT id FROM images
                    WHERE (SELECT number FROM counted) <= {values.bind(MOST_NAMES)}
                    AND id = ANY(ARRAY(SELECT id FROM named))
                    AND {self._condition(values)} AND {order.later(after, values)}
                    ORDER BY {order.whole(values)} LIMIT {values.bind(limit)}
                ))
            ) AS found ON TRUE ORDER BY {order.whole(values)}"""  # noqa: S608
        rows = await fetch(self._session, statement, values.listed)
        number, found = rows[0][0], [ImageRow._make(row[1:]) for row in rows if row["id"] is not None]
        return found, number <= MOST_NAMES

    def _named(self, glob: Glob, order: SortOrder, stretch: Segment, values: Values) -> str:
        """Return the images of a stretch of time whose names fit, by the week, as a table of a statement's."""

        def bounds() -> Condition:
            return all_true([stretch(values), self._plan.leading(values, frozenset({"date"}))])

        return f"""(
                SELECT generate_series({week("first")}, {week("last")}, '7 days') AS week
                FROM (SELECT min(created_at) AS first, max(created_at) AS last FROM images WHERE {bounds()}) AS span
                ORDER BY week {order.direction}
            ) AS weeks CROSS JOIN LATERAL (
                SELECT id, created_at FROM images
                WHERE {week("created_at")} = week AND {glob.sql(values)} AND {glob.ends(values)} AND {bounds()} OFFSET 0
            ) AS fitting"""  # noqa: S608
