"""Counts what matches without looking at it: by the bitmaps of the common tags. See docs/decisions/0007.

A query of tags is a Boolean function, which bitmaps compute for thousands of images at once (O'Neil and Quass,
"Improved Query Performance with Variant Indexes", SIGMOD 1997). Looked at one by one are only the images that have one
of the query's rare tags, for which there are no bitmaps, and those that the bitmaps do not know yet.
"""

import math
from dataclasses import replace
from itertools import combinations

from sqlalchemy.ext.asyncio import AsyncSession

from app.authz.visibility import Sight
from app.db.asyncpg_queries import fetch_value
from app.db.sql_text import Values
from app.models.bitmap import ALL_IMAGES, CHUNK, IMAGES_OF_TYPE, PUBLIC_IMAGES
from app.search.bitmap_index import maintenance
from app.search.language import ast
from app.search.language.ast import leaves
from app.search.planning.predicates import MAX_ALTERNATIVES, QueryPredicates, has_any
from app.search.planning.tag_resolution import ResolvedTag, ResolvedTags

# While the bitmaps do not know more images than this, those are counted without them.
MOST_UNMAPPED = 5_000
# Of a chunk's rows, whatever tags these are of.
_NO_IMAGES = "bit_or(bits # bits)"


async def count_by_bitmaps(session: AsyncSession, plan: QueryPredicates, sight: Sight) -> int | None:
    """Return the number of matches, exactly; None where there is a shorter way, or the bitmaps are not there yet."""
    if not _is_shorter(plan):
        return None
    statement = CountStatement(plan, sight)
    counted = await fetch_value(session, statement.text, statement.values.listed)
    return None if counted is None else int(counted)


def _is_shorter(plan: QueryPredicates) -> bool:
    rare = sum(tag.images for tag in plan.vocabulary.found if not is_common(tag))
    return plan.at_most > max(rare, maintenance.COMMON) and is_computable(plan.query)


def is_common(tag: ResolvedTag) -> bool:
    """Tell whether a tag has bitmaps, as soon as they are made."""
    return tag.images >= maintenance.COMMON


def is_computable(node: ast.Node) -> bool:
    """Tell whether bitmaps tell what matches: of filters one, and "n of k" is spelled out where it has few ways."""
    match node:
        case ast.Not(term):
            return is_computable(term)
        case ast.And(terms) | ast.Or(terms):
            return all(is_computable(term) for term in terms)
        case ast.AtLeast(number, terms):
            plain = all(isinstance(term, ast.Tag | ast.Wildcard) for term in terms)
            return plain and math.comb(len(terms), number) <= MAX_ALTERNATIVES
        case ast.Filter(name):
            return name == "type"
    return True


class CountStatement:
    """The statement that counts; it says NULL where a tag has no bitmaps, or there is too much that they do not know.

    It counts what would match if nobody had the query's rare tags, and by how much those who have them change that.
    """

    def __init__(self, plan: QueryPredicates, sight: Sight) -> None:
        self.values = Values()
        self._plan = plan
        self._common = replace(plan, vocabulary=plan.vocabulary.only(is_common))
        self._rare = sorted(tag.id for tag in plan.vocabulary.found if not is_common(tag))
        self._sight = sight
        # Whom the bitmaps are asked for: all images for who sees all; else the public ones, private ones come on top.
        self._seen = ALL_IMAGES if sight.sees_all else PUBLIC_IMAGES
        self._public = Sight(sees_all=sight.sees_all).sql(self.values)
        self.text = self._text()

    def _text(self) -> str:
        counted = [self._mapped(), self._unmapped()]
        if self._rare:
            counted.append(self._changed_by_rare())
        if not self._sight.sees_all:
            counted.append(self._private())
        return f"""
            WITH {chunks(self._plan.query, self._common.vocabulary, self._seen, self.values, MOST_UNMAPPED)}
            SELECT CASE WHEN (SELECT told FROM ready) THEN {" + ".join(f"({one})" for one in counted)} END"""  # noqa: S608

    def _mapped(self) -> str:
        """Return the count of what the bitmaps know."""
        return f"""
            SELECT coalesce(sum(bit_count(bits)), 0) - (
                SELECT count(*) FROM (SELECT DISTINCT image_id FROM unmapped) AS changed
                JOIN bitmap_ordinals USING (image_id) JOIN chunks ON chunk = ordinal / {CHUNK}
                WHERE get_bit(bits, ordinal % {CHUNK}) = 1
            ) FROM chunks"""  # noqa: S608

    def _unmapped(self) -> str:
        of_common = self._common.condition(self.values)
        return f"""
            SELECT count(*) FROM ({images_of("unmapped")}) AS images WHERE {of_common} AND {self._public}"""  # noqa: S608

    def _changed_by_rare(self) -> str:
        with_them, without = self._plan.condition(self.values), self._common.condition(self.values)
        return f"""
            SELECT coalesce(sum(CAST({with_them} AS int) - CAST({without} AS int)), 0) FROM images
            WHERE {has_any(self._rare, self.values)} AND {self._public}"""  # noqa: S608

    def _private(self) -> str:
        return f"""
            SELECT count(*) FROM images
            WHERE {self._plan.condition(self.values)} AND {self._sight.private(self.values)}"""  # noqa: S608


def images_of(listed: str) -> str:
    """Return the query of the images that a relation lists.

    OFFSET 0 keeps the planner from looking for what the tags find instead, where it takes that for less than it is.
    """
    return f"SELECT * FROM images WHERE id = ANY(ARRAY(SELECT image_id FROM {listed})) OFFSET 0"  # noqa: S608


def chunks(query: ast.Node, vocabulary: ResolvedTags, seen: int, values: Values, most_unmapped: int) -> str:
    """Return, for a statement to begin with, the `chunks` with the `bits` of the images that match.

    Of a query that `is_computable`: what the vocabulary does not know, nobody has. `seen` stands for all images, or
    for the public ones. Their bits mean nothing where images are `unmapped`, and nothing at all if `ready` has not
    `told`: then a tag has no bitmaps, or more images are unmapped than that.
    """
    types = {value for leaf in leaves(query) if isinstance(leaf, ast.Filter) for value in leaf.values}
    # A tag that has two names in the query may have been looked up twice, with other numbers.
    mapped = list({seen, *(tag.id for tag in vocabulary.found), *(IMAGES_OF_TYPE[name] for name in types)})
    tags = values.bind(mapped, "int[]")
    return f"""
        unmapped AS MATERIALIZED (SELECT image_id FROM bitmap_index_queue LIMIT {most_unmapped + 1}),
        ready AS MATERIALIZED (
            SELECT (SELECT count(*) FROM unmapped) <= {most_unmapped}
            AND (SELECT count(*) FROM tag_bitmaps WHERE chunk = 0 AND tag_id = ANY({tags})) = {len(mapped)} AS told
        ),
        chunks AS MATERIALIZED (
            SELECT chunk, {_of_tags([seen], values)} & {_bits(query, vocabulary, values)} AS bits
            FROM tag_bitmaps WHERE tag_id = ANY({tags}) GROUP BY chunk
        )"""  # noqa: S608 - of constants, as above


def _bits(node: ast.Node, vocabulary: ResolvedTags, values: Values) -> str:
    match node:
        case ast.Tag() | ast.Wildcard():
            return _of_tags([tag.id for tag in vocabulary.of(node)], values)
        case ast.Not(term):
            return f"~{_bits(term, vocabulary, values)}"
        case ast.And(terms):
            joined = " & ".join(_bits(term, vocabulary, values) for term in terms)
            return f"({joined})" if terms else f"~{_NO_IMAGES}"
        case ast.Or(terms):
            return f"({' | '.join(_bits(term, vocabulary, values) for term in terms)})"
        case ast.AtLeast(number, terms):
            ways = ast.Or(tuple(ast.And(chosen) for chosen in combinations(terms, number)))
            return _bits(ways, vocabulary, values)
        case ast.Filter(_, names):
            return _of_tags([IMAGES_OF_TYPE[name] for name in names], values)


def _of_tags(tags: list[int], values: Values) -> str:
    return f"bit_or(bits) FILTER (WHERE tag_id = ANY({values.bind(tags, 'int[]')}))" if tags else _NO_IMAGES
