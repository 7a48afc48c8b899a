"""A page in the order of creation by the bitmaps of the common tags. See docs/decisions/0007."""

import math
from collections.abc import Iterator
from functools import cached_property

from sqlalchemy.ext.asyncio import AsyncSession

from app.authz.visibility import Sight
from app.db.asyncpg_queries import fetch
from app.db.sql_text import EVERY, Values, all_true
from app.models.bitmap import ALL_IMAGES, CHUNK, PUBLIC_IMAGES
from app.search.bitmap_index.queries import chunks, images_of, is_common, is_computable
from app.search.language import ast
from app.search.language.ast import leaves
from app.search.planning.cost_model import MARGIN, by_bitmaps
from app.search.planning.predicates import QueryPredicates, conjuncts, has_any
from app.search.planning.sort_order import Position, Segment, SortOrder
from app.search.planning.tag_resolution import ResolvedTag, ResolvedTags
from app.search.strategies.row import IMAGE_COLUMNS, ImageRow

# What comes before everything, and after.
_FARTHEST = {">": "-infinity", "<": "infinity"}
# Filters with an index that finds so little that what has common tags besides is not asked for.
_BY_INDEX = ("date", "name", "uploader", "sha256")
# A look takes in this many images at most that the bitmaps do not know yet.
MOST_UNMAPPED = 1_000
# So many images at most are looked at since they have rare tags.
MOST_RARE = 1_000
# The bits of a chunk are looked through word by word: most words of a sparse one are empty.
_WORD = 32


class BitmapScan:
    """The way to a page of what fulfils the condition, where every match must have common tags."""

    def __init__(self, session: AsyncSession, plan: QueryPredicates, sight: Sight, condition: Segment) -> None:
        self._session = session
        self._plan = plan
        self._condition = condition
        self._terms = tuple(term for term in conjuncts(plan.query) if self._is_mapped(term))
        self._rare = sorted({tag.id for term in self._terms for tag in self._rare_in(term)})
        everybody = sight.viewer_id is None and not sight.sees_all
        self._seen = PUBLIC_IMAGES if everybody else ALL_IMAGES
        self._are_all = len(self._terms) == len(conjuncts(plan.query))
        # The bitmaps name no more images than this; infinite where they tell nothing, or an index tells more.
        better = any(isinstance(term, ast.Filter) and term.name in _BY_INDEX for term in conjuncts(plan.query))
        self._named = math.inf if better else min(map(plan.at_most_of, self._terms), default=math.inf)
        # The bitmaps were asked and are not there yet.
        self._behind = False

    def serve(self, order: SortOrder) -> bool:
        """Tell whether this is a way to a page in this order."""
        return order.name == "created" and not math.isinf(self._named) and not self._behind

    def tell_all(self, order: SortOrder) -> bool:
        """Tell whether moreover whatever the bitmaps name matches."""
        return self._are_all and self.serve(order)

    def cost(self, expected: float, limit: int) -> float:
        """Return what it costs to look at what the bitmaps name until the page is full, after so many rows perhaps."""
        named = limit if self._are_all else self._among(MARGIN * expected)
        # Chunks are looked at as wholes.
        rest = self._among(CHUNK / 2)
        return by_bitmaps(self._plan.vocabulary.collection, len(self._vocabulary.found), named + rest)

    async def page(
        self, order: SortOrder, after: Position | None, bound: float, limit: int
    ) -> tuple[list[ImageRow], bool] | None:
        """Look at what the bitmaps name among so many rows, or some more; return what matches, and whether it is all.

        Where they name nothing else than what matches, until it is. None where they are not there yet.
        """
        # What the bitmaps of types leave of them is not known beforehand.
        last = math.inf if self._are_all else self._among(bound)
        most = limit if self._are_all else min(last, max(2 * limit, last / 4))
        looked = await self._look(order, after, most, limit)
        while looked is not None and not looked[1] and most < last:
            most = min(last, 4 * most)
            looked = await self._look(order, after, most, limit)
        return looked

    async def _look(
        self, order: SortOrder, after: Position | None, most: float, limit: int
    ) -> tuple[list[ImageRow], bool] | None:
        """Look at so many named images, and the rest of the last one's chunk.

        The chunks lie one after the other in the order of creation, but for images that were committed late. So what
        is found is told as far as to the first image of the first chunk that is left out.
        """
        values = Values()
        rows = await fetch(self._session, self._statement(order, after, most, limit, values), values.listed)
        self._behind = not rows[0]["told"]
        if self._behind:
            return None
        found = [ImageRow._make(row[2:]) for row in rows if row["id"] is not None]
        return found, len(found) == limit or bool(rows[0]["ended"])

    def _statement(self, order: SortOrder, after: Position | None, most: float, limit: int, values: Values) -> str:
        first, last, farthest, before = (
            ("max_created_at", "min_created_at", "max", ">")
            if order.descending
            else ("min_created_at", "max_created_at", "min", "<")
        )
        ahead, whole = EVERY, EVERY
        if after is not None:
            here = values.bind(after[0])
            ahead, whole = f"{here} {before}= {last}", f"{here} {before}= {first}"
        bound = values.bind(most, "float8")
        near = f"created_at {before} coalesce((SELECT at FROM horizon), '{_FARTHEST[before]}')"  # noqa: S608
        condition = all_true([self._condition(values), order.later(after, values), near])
        # The bitmaps take rare tags for tags that nobody has.
        rare = all_true([has_any(self._rare, values), condition])
        return f"""
            WITH {chunks(ast.And(self._terms), self._vocabulary, self._seen, values, MOST_UNMAPPED)},
            ahead AS MATERIALIZED (
                SELECT chunk, bits, {first} AS first, coalesce(sum(bit_count(bits)) FILTER (WHERE {whole}) OVER (
                    ORDER BY {first} {order.direction}, chunk ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
                ), 0) AS before
                FROM chunks JOIN bitmap_chunks USING (chunk)
                WHERE (SELECT told FROM ready) AND bit_count(bits) > 0 AND {ahead}
            ),
            horizon AS MATERIALIZED (SELECT {farthest}(first) AS at FROM ahead WHERE before >= {bound}),
            named AS MATERIALIZED (
                SELECT image_id FROM bitmap_ordinals
                WHERE ordinal = ANY(ARRAY({_numbers(f"ahead WHERE before < {bound}")}))
                UNION SELECT image_id FROM unmapped WHERE (SELECT told FROM ready)
                UNION SELECT id FROM images WHERE {rare}
            )
            SELECT told, at IS NULL AS ended, found.* FROM ready CROSS JOIN horizon LEFT JOIN (
                SELECT {IMAGE_COLUMNS} FROM images WHERE id = ANY(ARRAY(
                    SELECT id FROM ({images_of("named")}) AS images WHERE {condition}
                    ORDER BY {order.walk()} LIMIT {values.bind(limit)}
                ))
            ) AS found ON TRUE ORDER BY {order.walk()}"""  # noqa: S608 - of constants

    def _among(self, rows: float) -> float:
        """Return how many of so many rows the bitmaps name at most, on the average."""
        return rows * self._named / self._plan.vocabulary.collection

    @cached_property
    def _vocabulary(self) -> ResolvedTags:
        tags = {tag for term in self._terms for tag in self._tags(term)}
        return self._plan.vocabulary.only(lambda tag: is_common(tag) and tag in tags)

    def _is_mapped(self, term: ast.Node) -> bool:
        return is_computable(term) and sum(tag.images for tag in self._rare_in(term)) <= MOST_RARE

    def _tags(self, term: ast.Node) -> Iterator[ResolvedTag]:
        for leaf in leaves(term):
            if not isinstance(leaf, ast.Filter):
                yield from self._plan.vocabulary.of(leaf)

    def _rare_in(self, term: ast.Node, *, wanted: bool = True) -> set[ResolvedTag]:
        """Return the rare tags by which an image may match that would not match without them."""
        match term:
            case ast.Tag() | ast.Wildcard():
                return {tag for tag in self._plan.vocabulary.of(term) if wanted and not is_common(tag)}
            case ast.Not(one):
                return self._rare_in(one, wanted=not wanted)
            case ast.And(terms) | ast.Or(terms) | ast.AtLeast(_, terms):
                return {tag for one in terms for tag in self._rare_in(one, wanted=wanted)}
        return set()


def _numbers(chunks_in: str) -> str:
    """Return the query of the images' numbers in some chunks: word by word, since most words of sparse bits are 0."""
    return f"""
        SELECT chunk * {CHUNK} + word * {_WORD} + bit
        FROM (SELECT chunk, bits FROM {chunks_in}) AS chosen CROSS JOIN generate_series(0, {CHUNK // _WORD - 1}) AS word
        CROSS JOIN LATERAL (SELECT substring(bits FROM word * {_WORD} + 1 FOR {_WORD}) AS part OFFSET 0) AS parts
        CROSS JOIN generate_series(0, {_WORD - 1}) AS bit
        WHERE bit_count(part) > 0 AND get_bit(part, bit) = 1"""  # noqa: S608
