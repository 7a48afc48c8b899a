"""Counts the visible matches of several queries over the same terms, in one statement.

Each term is evaluated once for an image, or once for a chunk of the bitmaps. The queries are Boolean functions of the
terms. See `app.search.bitmap_index.bitmap_queries` for the counts of one query.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import Any

from app.authz.visibility import VisibilityScope
from app.db.asyncpg_queries import Reader, fetch
from app.db.sql_text import TRUE, BindParameters, Condition, sql_and, sql_or
from app.models.bitmap import ALL_IMAGES, CHUNK, IMAGES_OF_TYPE, PUBLIC_IMAGES
from app.search.bitmap_index.bitmap_queries import bits_of, bits_of_tags, images_of, readiness_ctes
from app.search.language import ast
from app.search.planning.bitmap_coverage import is_common
from app.search.planning.predicates import QueryPredicates, has_any

Leaf = ast.Tag | ast.Wildcard | ast.Filter


async def count_by_rows(session: Reader, batch: "QueryBatch", tags: Sequence[int] | None = None) -> list[int]:
    """Return the number of visible matches of each query, from a look at each visible image.

    With tags, only at images that have one of them: all matches of all queries must have one.
    """
    values = BindParameters()
    within = TRUE if tags is None else has_any(sorted(tags), values)
    condition = sql_and([within, batch.predicates.visibility.sql(values)])
    statement = f"""
        SELECT {", ".join(f"count(*) FILTER (WHERE {one})" for one in batch.conditions)}
        FROM (SELECT {batch.columns(batch.predicates, values)} FROM images WHERE {condition} OFFSET 0) AS images"""  # noqa: S608
    return list((await fetch(session, statement, values.values))[0])


async def count_by_bitmaps(session: Reader, batch: "QueryBatch", max_queued: int) -> list[int] | None:
    """Return the number of visible matches of each query; None if the bitmaps are not up to date.

    For queries that `is_computable`.
    """
    statement = _BitmapStatement(batch, max_queued)
    row = (await fetch(session, statement.text, statement.values.values))[0]
    if not row["is_ready"]:
        return None
    return [indexed + corrected for indexed, corrected in zip(row["indexed"], row["corrected"], strict=True)]


@dataclass(frozen=True)
class QueryBatch:
    """Queries over the tags of `predicates`, whose own query is ignored."""

    predicates: QueryPredicates
    queries: Sequence[ast.Node]

    @cached_property
    def names(self) -> dict[Leaf, str]:
        """The names of the columns of the terms, each once."""
        return {leaf: f"c{number}" for number, leaf in enumerate(dict.fromkeys(all_leaves(self.queries)))}

    @cached_property
    def conditions(self) -> list[Condition]:
        """The queries as conditions over the columns."""
        return [self._condition(query) for query in self.queries]

    def columns(self, predicates: QueryPredicates, values: BindParameters) -> str:
        """Return the select list of the terms, with the tags of these predicates."""
        return ", ".join(
            f"{replace(predicates, query=leaf).condition(values)} AS {name}" for leaf, name in self.names.items()
        )

    def bits(self, query: ast.Node) -> str:
        """Return a query as a bit string over the columns and `visible`."""
        match query:
            case ast.Not(term):
                return f"~{self.bits(term)}"
            case ast.And(terms):
                return f"({' & '.join(map(self.bits, terms))})" if terms else "visible"
            case ast.Or(terms):
                return f"({' | '.join(map(self.bits, terms))})"
            case ast.AtLeast(number, terms):
                return self.bits(ast.Or(tuple(ast.And(chosen) for chosen in combinations(terms, number))))
            case ast.Tag() | ast.Wildcard() | ast.Filter():
                return self.names[query]

    def _condition(self, query: ast.Node) -> Condition:
        match query:
            case ast.Not(term):
                return f"(NOT {self._condition(term)})"
            case ast.And(terms):
                return sql_and(map(self._condition, terms))
            case ast.Or(terms):
                return sql_or(map(self._condition, terms))
            case ast.AtLeast(number, terms):
                return f"({' + '.join(f'CAST({self._condition(term)} AS int)' for term in terms)}) >= {number}"
            case ast.Tag() | ast.Wildcard() | ast.Filter():
                return self.names[query]


def all_leaves(queries: Sequence[ast.Node]) -> list[Leaf]:
    """Return the leaves of all queries."""
    return [leaf for query in queries for leaf in ast.leaves(query)]


class _BitmapStatement:
    """The statement that counts by the bitmaps, as if no image had a rare tag, and by rows for the difference."""

    def __init__(self, batch: QueryBatch, max_queued: int) -> None:
        self.values = BindParameters()
        self._batch = batch
        predicates = batch.predicates
        self._common = replace(predicates, tags=predicates.tags.restrict(is_common))
        self._rare = sorted(tag.id for tag in predicates.tags.all if not is_common(tag))
        # For an admin the bitmap of all images; else that of the public ones, and private matches are added.
        sees_all = predicates.visibility.sees_all
        self._image_set = ALL_IMAGES if sees_all else PUBLIC_IMAGES
        self._public = VisibilityScope(sees_all=sees_all).sql(self.values)
        self.text = self._text(max_queued)

    def _text(self, max_queued: int) -> str:
        batch = self._batch
        bound = self.values.bind(self._ids, "int[]")
        bits = [f"coalesce(sum(bit_count(visible & {batch.bits(query)})), 0)" for query in batch.queries]
        rows = [f"coalesce(sum(weight) FILTER (WHERE {one}), 0)" for one in batch.conditions]
        return f"""
            WITH {readiness_ctes(bound, len(self._ids), max_queued)},
            chunks AS MATERIALIZED (
                SELECT chunk, {self._bit_columns()} FROM tag_bitmaps
                WHERE tag_id = ANY({bound}) AND (SELECT is_ready FROM readiness) GROUP BY chunk
            ),
            rows AS MATERIALIZED ({" UNION ALL ".join(self._corrections())})
            SELECT is_ready, (SELECT CAST(ARRAY[{", ".join(bits)}] AS bigint[]) FROM chunks) AS indexed,
            (SELECT CAST(ARRAY[{", ".join(rows)}] AS bigint[]) FROM rows) AS corrected
            FROM readiness"""  # noqa: S608

    @property
    def _ids(self) -> list[int]:
        types = {value for leaf in self._batch.names if isinstance(leaf, ast.Filter) for value in leaf.values}
        tags = (tag.id for tag in self._common.tags.all)
        return list({self._image_set, *tags, *(IMAGES_OF_TYPE[name] for name in types)})

    def _bit_columns(self) -> str:
        visible = f"{bits_of_tags([self._image_set], self.values)} AS visible"
        terms = (
            f"{bits_of(leaf, self._common.tags, self.values)} AS {name}" for leaf, name in self._batch.names.items()
        )
        return ", ".join([visible, *terms])

    def _corrections(self) -> list[str]:
        """Return the queries of the images whose bits are wrong: once with the opposite weight, once as they are."""
        is_set = [f"get_bit({name}, ordinal % {CHUNK}) = 1 AS {name}" for name in self._batch.names.values()]
        stale = f"""
            SELECT {", ".join(["-1 AS weight", *is_set])}
            FROM (SELECT DISTINCT image_id FROM queued) AS changed
            JOIN bitmap_ordinals USING (image_id) JOIN chunks ON chunk = ordinal / {CHUNK}
            WHERE get_bit(visible, ordinal % {CHUNK}) = 1"""  # noqa: S608
        queued = f"({images_of('queued')}) AS images WHERE {self._public}"
        parts = [stale, self._rows(1, self._common, queued)]
        full = self._batch.predicates
        if self._rare:
            rare = f"images WHERE {has_any(self._rare, self.values)} AND {self._public}"
            parts += [self._rows(1, full, rare), self._rows(-1, self._common, rare)]
        if not full.visibility.sees_all:
            parts.append(self._rows(1, full, f"images WHERE {full.visibility.private(self.values)}"))
        return parts

    def _rows(self, weight: int, predicates: QueryPredicates, relation: str) -> str:
        columns: list[Any] = [f"{weight} AS weight", self._batch.columns(predicates, self.values)]
        return f"SELECT {', '.join(filter(None, columns))} FROM {relation}"  # noqa: S608
