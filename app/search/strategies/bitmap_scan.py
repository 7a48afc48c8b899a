"""Finds a page in the order of creation with the bitmaps of the common tags. See docs/decisions/0007."""

import math
from typing import ClassVar

from app.db.asyncpg_queries import Reader, fetch
from app.db.sql_text import TRUE, BindParameters, sql_and
from app.models.bitmap import CHUNK
from app.search.bitmap_index.bitmap_queries import candidates_cte, images_of, ordinals_of
from app.search.language import ast
from app.search.planning.cost_model import CostModel
from app.search.planning.planned_query import PageEstimate, PlannedQuery
from app.search.planning.predicates import has_any
from app.search.planning.sort_order import SortKey
from app.search.strategies.row import IMAGE_COLUMNS, ImageRow
from app.search.strategies.strategy import UNAVAILABLE, PartialPage

# The value after every `created_at`, by the comparison that continues a page.
_FARTHEST = {">": "-infinity", "<": "infinity"}


class BitmapScan:
    """The candidates of the bitmaps, chunk by chunk, each checked against the whole query."""

    name: ClassVar[str] = "bitmap_scan"

    def __init__(self, costs: CostModel) -> None:
        self._costs = costs

    def supports(self, query: PlannedQuery) -> bool:
        """Support the order of creation, for a query with a covered term whose tags bound the matches."""
        return query.is_creation_order and not math.isinf(query.bitmaps.max_candidates)

    def cost(self, query: PlannedQuery, estimate: PageEstimate) -> float:
        """Return the cost of reading the bitmaps and of looking up the candidates up to the end of the page."""
        coverage, expected = query.bitmaps, estimate.expected_rows
        if expected is not None and math.isinf(expected):
            return math.inf
        candidates: float = estimate.limit
        if not coverage.is_complete and expected is not None:
            candidates = coverage.candidates_among(self._costs.safety_factor * expected)
        # Chunks are read as wholes, so half of one is read in vain.
        candidates += coverage.candidates_among(CHUNK / 2)
        images = query.predicates.tags.total_images
        return self._costs.bitmap_scan(images, len(coverage.common_tags.all), candidates)

    def max_rows(self, query: PlannedQuery, estimate: PageEstimate) -> int:
        """Return the expected length of the page with its margin."""
        return self._costs.rows_to_search(query.cost_inputs(estimate))

    async def fetch(
        self, session: Reader, query: PlannedQuery, after: SortKey | None, max_rows: int, limit: int
    ) -> PartialPage:
        """Look up candidates until the page is full, or about those among `max_rows`.

        If the bitmaps answer the whole query, `max_rows` is ignored. UNAVAILABLE if the bitmaps are not up to date.
        """
        coverage = query.bitmaps
        # The coverage of `type:` is not estimated, so the first number of candidates may be too small.
        last = math.inf if coverage.is_complete else coverage.candidates_among(max_rows)
        candidates = limit if coverage.is_complete else min(last, max(2 * limit, last / 4))
        page = await self._look_up(session, query, after, candidates, limit)
        while page.is_available and not page.is_complete and candidates < last:
            candidates = min(last, 4 * candidates)
            page = await self._look_up(session, query, after, candidates, limit)
        return page

    async def _look_up(
        self, session: Reader, query: PlannedQuery, after: SortKey | None, candidates: float, limit: int
    ) -> PartialPage:
        """Look up this many candidates, and the rest of the last one's chunk.

        The chunks follow each other in the order of creation, except for images that were committed late. So the page
        ends at the first image of the first chunk that is left out.
        """
        values = BindParameters()
        statement = self._statement(query, after, candidates, limit, values)
        rows = await fetch(session, statement, values.values)
        if not rows[0]["is_ready"]:
            return UNAVAILABLE
        images = [ImageRow._make(row[2:]) for row in rows if row["id"] is not None]
        return PartialPage(images, is_complete=len(images) == limit or bool(rows[0]["is_end"]))

    def _statement(
        self, query: PlannedQuery, after: SortKey | None, candidates: float, limit: int, values: BindParameters
    ) -> str:
        order, coverage = query.order, query.bitmaps
        first, last, farthest, before = (
            ("max_created_at", "min_created_at", "max", ">")
            if order.descending
            else ("min_created_at", "max_created_at", "min", "<")
        )
        # A chunk is partly, or wholly, after the key.
        is_partly_ahead, is_wholly_ahead = TRUE, TRUE
        if after is not None:
            here = values.bind(after[0])
            is_partly_ahead, is_wholly_ahead = f"{here} {before}= {last}", f"{here} {before}= {first}"
        bound = values.bind(candidates, "float8")
        within = f"created_at {before} coalesce((SELECT until FROM horizon), '{_FARTHEST[before]}')"  # noqa: S608
        condition = sql_and([query.predicates.visible_condition(values), order.follows(after, values), within])
        # For the bitmaps, no image has a rare tag.
        has_rare_tag = sql_and([has_any(coverage.rare_tags, values), condition])
        covered = ast.And(coverage.terms)
        max_queued = self._costs.max_queued_for_page
        return f"""
            WITH {candidates_cte(covered, coverage.common_tags, coverage.image_set, values, max_queued)},
            ahead AS MATERIALIZED (
                SELECT chunk, bits, {first} AS first,
                coalesce(sum(bit_count(bits)) FILTER (WHERE {is_wholly_ahead}) OVER (
                    ORDER BY {first} {order.direction}, chunk ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
                ), 0) AS before
                FROM chunks JOIN bitmap_chunks USING (chunk)
                WHERE (SELECT is_ready FROM readiness) AND bit_count(bits) > 0 AND {is_partly_ahead}
            ),
            horizon AS MATERIALIZED (
                SELECT {farthest}(first) AS until FROM ahead WHERE before >= {bound}
            ),
            candidates AS MATERIALIZED (
                SELECT image_id FROM bitmap_ordinals
                WHERE ordinal = ANY(ARRAY({ordinals_of(f"ahead WHERE before < {bound}")}))
                UNION SELECT image_id FROM queued WHERE (SELECT is_ready FROM readiness)
                UNION SELECT id FROM images WHERE {has_rare_tag}
            )
            SELECT is_ready, until IS NULL AS is_end, found.*
            FROM readiness CROSS JOIN horizon LEFT JOIN (
                SELECT {IMAGE_COLUMNS} FROM images WHERE id = ANY(ARRAY(
                    SELECT id FROM ({images_of("candidates")}) AS images WHERE {condition}
                    ORDER BY {order.order_by()} LIMIT {values.bind(limit)}
                ))
            ) AS found ON TRUE ORDER BY {order.order_by()}"""  # noqa: S608 - of constants
