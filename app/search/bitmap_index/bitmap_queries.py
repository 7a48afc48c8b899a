"""Counts matches with the bitmaps of the common tags, without a look at each. See docs/decisions/0007.

A query of tags is a Boolean function, which bitmaps compute for thousands of images at once (O'Neil and Quass,
"Improved Query Performance with Variant Indexes", SIGMOD 1997). Only images with a rare tag of the query, which has no
bitmaps, and queued images, whose bits are out of date, are looked up one by one.
"""

from dataclasses import replace
from itertools import combinations

from app.authz.visibility import VisibilityScope
from app.db.asyncpg_queries import Reader, fetch_value
from app.db.sql_text import BindParameters
from app.models.bitmap import ALL_IMAGES, CHUNK, IMAGES_OF_TYPE, PUBLIC_IMAGES
from app.search.language import ast
from app.search.planning.bitmap_coverage import is_common
from app.search.planning.predicates import QueryPredicates, has_any
from app.search.planning.tag_resolution import ResolvedTags

# The empty set, aggregated over the rows of a chunk.
_NO_IMAGES = "bit_or(bits # bits)"
# Bits are read in words of this length, because most words of a sparse chunk are 0.
_WORD = 32


async def count_by_bitmaps(session: Reader, predicates: QueryPredicates, max_queued: int) -> int | None:
    """Return the exact number of visible matches; None if the bitmaps are not up to date.

    For queries that `is_computable`. With more than `max_queued` images in the queue the bitmaps are not used.
    """
    statement = CountStatement(predicates, max_queued)
    count = await fetch_value(session, statement.text, statement.values.values)
    return None if count is None else int(count)


class CountStatement:
    """The statement that counts matches; NULL if a tag has no bitmaps or too many images are queued.

    It counts the matches as if no image had a rare tag, and adds the difference for the images that have one.
    """

    def __init__(self, predicates: QueryPredicates, max_queued: int) -> None:
        self.values = BindParameters()
        self._max_queued = max_queued
        self._predicates = predicates
        self._common = replace(predicates, tags=predicates.tags.restrict(is_common))
        self._rare = sorted(tag.id for tag in predicates.tags.all if not is_common(tag))
        # For an admin the bitmap of all images; else that of the public ones, and private matches are added.
        sees_all = predicates.visibility.sees_all
        self._image_set = ALL_IMAGES if sees_all else PUBLIC_IMAGES
        self._public = VisibilityScope(sees_all=sees_all).sql(self.values)
        self.text = self._text()

    def _text(self) -> str:
        counts = [self._indexed(), self._queued()]
        if self._rare:
            counts.append(self._difference_by_rare_tags())
        if not self._predicates.visibility.sees_all:
            counts.append(self._private())
        query, tags = self._predicates.query, self._common.tags
        return f"""
            WITH {candidates_cte(query, tags, self._image_set, self.values, self._max_queued)}
            SELECT CASE WHEN (SELECT is_ready FROM readiness)
            THEN {" + ".join(f"({one})" for one in counts)} END"""  # noqa: S608

    def _indexed(self) -> str:
        """Return the count of the set bits, without those of queued images."""
        return f"""
            SELECT coalesce(sum(bit_count(bits)), 0) - (
                SELECT count(*) FROM (SELECT DISTINCT image_id FROM queued) AS changed
                JOIN bitmap_ordinals USING (image_id) JOIN chunks ON chunk = ordinal / {CHUNK}
                WHERE get_bit(bits, ordinal % {CHUNK}) = 1
            ) FROM chunks"""  # noqa: S608

    def _queued(self) -> str:
        condition = self._common.condition(self.values)
        return f"""
            SELECT count(*) FROM ({images_of("queued")}) AS images
            WHERE {condition} AND {self._public}"""  # noqa: S608

    def _difference_by_rare_tags(self) -> str:
        with_them, without = self._predicates.condition(self.values), self._common.condition(self.values)
        return f"""
            SELECT coalesce(sum(CAST({with_them} AS int) - CAST({without} AS int)), 0) FROM images
            WHERE {has_any(self._rare, self.values)} AND {self._public}"""  # noqa: S608

    def _private(self) -> str:
        condition = self._predicates.visible_private_condition(self.values)
        return f"SELECT count(*) FROM images WHERE {condition}"  # noqa: S608


def images_of(relation: str) -> str:
    """Return the query of the images whose ids a relation lists.

    OFFSET 0 keeps PostgreSQL from the index over the tags, whose result it underestimates.
    """
    return f"SELECT * FROM images WHERE id = ANY(ARRAY(SELECT image_id FROM {relation})) OFFSET 0"  # noqa: S608


def ordinals_of(chunks: str) -> str:
    """Return the query of the ordinals of the set bits, word by word, because most words of sparse bits are 0."""
    return f"""
        SELECT chunk * {CHUNK} + word * {_WORD} + bit
        FROM (SELECT chunk, bits FROM {chunks}) AS chosen CROSS JOIN generate_series(0, {CHUNK // _WORD - 1}) AS word
        CROSS JOIN LATERAL (SELECT substring(bits FROM word * {_WORD} + 1 FOR {_WORD}) AS part OFFSET 0) AS parts
        CROSS JOIN generate_series(0, {_WORD - 1}) AS bit
        WHERE bit_count(part) > 0 AND get_bit(part, bit) = 1"""  # noqa: S608


def candidates_cte(query: ast.Node, tags: ResolvedTags, image_set: int, values: BindParameters, max_queued: int) -> str:
    """Return the common table expressions `queued`, `readiness` and `chunks` of a query that `is_computable`.

    `chunks` has the `bits` of the matches in an image set, where unknown tags have no images. The bits of `queued`
    images are out of date. All are invalid unless `readiness.is_ready`: a tag has no bitmaps, or too much is queued.
    """
    types = {value for leaf in ast.leaves(query) if isinstance(leaf, ast.Filter) for value in leaf.values}
    # Two names of one tag may have been resolved with different counts, so the ids are deduplicated here.
    ids = list({image_set, *(tag.id for tag in tags.all), *(IMAGES_OF_TYPE[name] for name in types)})
    bound = values.bind(ids, "int[]")
    return f"""
        {readiness_ctes(bound, len(ids), max_queued)},
        chunks AS MATERIALIZED (
            SELECT chunk, {bits_of_tags([image_set], values)} & {bits_of(query, tags, values)} AS bits
            FROM tag_bitmaps WHERE tag_id = ANY({bound}) GROUP BY chunk
        )"""  # noqa: S608 - of constants


def readiness_ctes(ids: str, number: int, max_queued: int) -> str:
    """Return the common table expressions `queued` and `readiness` for a bound list of this number of bitmaps."""
    return f"""
        queued AS MATERIALIZED (SELECT image_id FROM bitmap_index_queue LIMIT {max_queued + 1}),
        readiness AS MATERIALIZED (
            SELECT (SELECT count(*) FROM queued) <= {max_queued}
            AND (SELECT count(*) FROM tag_bitmaps WHERE chunk = 0 AND tag_id = ANY({ids})) = {number} AS is_ready
        )"""  # noqa: S608 - of constants


def bits_of(node: ast.Node, tags: ResolvedTags, values: BindParameters) -> str:
    """Return the bits of a term, aggregated over the rows of a chunk."""
    match node:
        case ast.Tag() | ast.Wildcard():
            return bits_of_tags([tag.id for tag in tags.tags_of(node)], values)
        case ast.Not(term):
            return f"~{bits_of(term, tags, values)}"
        case ast.And(terms):
            joined = " & ".join(bits_of(term, tags, values) for term in terms)
            return f"({joined})" if terms else f"~{_NO_IMAGES}"
        case ast.Or(terms):
            return f"({' | '.join(bits_of(term, tags, values) for term in terms)})"
        case ast.AtLeast(number, terms):
            combined = ast.Or(tuple(ast.And(chosen) for chosen in combinations(terms, number)))
            return bits_of(combined, tags, values)
        case ast.Filter(_, names):
            return bits_of_tags([IMAGES_OF_TYPE[name] for name in names], values)


def bits_of_tags(ids: list[int], values: BindParameters) -> str:
    """Return the bits of the images with one of the tags, aggregated over the rows of a chunk."""
    return f"bit_or(bits) FILTER (WHERE tag_id = ANY({values.bind(ids, 'int[]')}))" if ids else _NO_IMAGES
