"""SQL of facets: all matches up to a limit, a sample, and the counts of the tags."""

from collections.abc import Sequence
from itertools import takewhile
from typing import Any, NamedTuple

from app.db.asyncpg_queries import Reader, fetch
from app.db.sql_text import BindParameters
from app.search.bitmap_index.facet_bitmaps import FacetStatement
from app.search.planning.cost_model import CostModel
from app.search.planning.facet_fields import FACET_FIELDS, FacetName
from app.search.planning.predicates import QueryPredicates
from app.search.planning.table_sample import sample_sql


class FacetValue(NamedTuple):
    """A value, and the number of matches that have it."""

    value: str
    images: int


class CountedFacets(NamedTuple):
    """The number of matches and the most frequent values. For tags, see `FacetStatement` about `other`."""

    total: int
    items: list[FacetValue]
    other: int = 0


class SampledFacets(NamedTuple):
    """The same among the matches of a sample, which has a `share` of the table."""

    matches: int
    share: float
    items: list[FacetValue]


class BitmapTags(NamedTuple):
    """The ids and counts of the most frequent tags that have bitmaps; no other tag has more images than `next_images`.

    The counts are compacted ones of public images; an exact one can be larger by `pending`.
    """

    tags: list[tuple[int, int]]
    next_images: int
    pending: int


async def count_values_up_to(
    session: Reader, predicates: QueryPredicates, name: FacetName, limit: int, max_matches: int
) -> CountedFacets | None:
    """Return the facets from a look at each match; None if there are more than `max_matches`."""
    values, field = BindParameters(), FACET_FIELDS[name]
    condition = predicates.visible_condition(values)
    statement = f"""
        WITH matches AS MATERIALIZED (
            SELECT 1 AS weight, {field.column} FROM images WHERE {condition} LIMIT {max_matches + 1}
        ), size AS MATERIALIZED (SELECT count(*) AS total FROM matches),
        counted AS ({field.grouped(f"matches WHERE (SELECT total FROM size) <= {max_matches}")})
        SELECT total, value, images FROM size LEFT JOIN (
            {field.top("SELECT * FROM counted", limit, values)}
        ) AS items ON TRUE ORDER BY images DESC, value COLLATE "C\""""  # noqa: S608
    rows = await fetch(session, statement, values.values)
    total = rows[0]["total"]
    return CountedFacets(total, _items(rows)) if total <= max_matches else None


async def sample_values(
    session: Reader, predicates: QueryPredicates, name: FacetName, limit: int, images: int
) -> SampledFacets:
    """Return the facets of the matches among about `images` images."""
    values, field = BindParameters(), FACET_FIELDS[name]
    condition, sample = predicates.visible_condition(values), sample_sql(values, images)
    statement = f"""
        WITH {sample.size},
        matches AS MATERIALIZED (SELECT 1 AS weight, {field.column} FROM {sample.images} WHERE {condition}),
        counted AS ({field.grouped("matches")})
        SELECT matches, share, value, images
        FROM (SELECT (SELECT count(*) FROM matches) AS matches, {sample.share} AS share) AS known
        LEFT JOIN ({field.top("SELECT * FROM counted", limit, values)}) AS items ON TRUE
        ORDER BY images DESC, value COLLATE "C\""""  # noqa: S608
    rows = await fetch(session, statement, values.values)
    return SampledFacets(rows[0]["matches"], rows[0]["share"], _items(rows))


async def count_values_by_bitmaps(
    session: Reader,
    predicates: QueryPredicates,
    name: FacetName,
    limit: int,
    costs: CostModel,
    tags: Sequence[int] = (),
) -> CountedFacets | None:
    """Return the facets by the bitmaps; None if these are not up to date, or too many images would be looked up.

    Of all tags, only `tags` are counted.
    """
    statement = FacetStatement(predicates, name, costs, limit, list(tags))
    rows = await fetch(session, statement.text, statement.values.values)
    first = rows[0]
    return CountedFacets(first["total"], _items(rows), first["other"]) if first["is_ready"] else None


async def list_bitmap_tags(session: Reader, max_rows: int) -> BitmapTags:
    """Return the most frequent tags that have bitmaps: with about `max_rows` rows in all."""
    statement = """
        WITH size AS MATERIALIZED (SELECT greatest($1 / greatest(count(*), 1), 1) AS tags FROM bitmap_chunks),
        pending AS (SELECT sum(delta) AS images FROM tag_count_deltas GROUP BY tag_id)
        SELECT id, image_count, EXISTS (SELECT FROM tag_bitmaps WHERE chunk = 0 AND tag_id = id) AS has_bitmaps,
            (SELECT coalesce(greatest(max(images), 0), 0) FROM pending)::int8 AS pending
        FROM tags WHERE alias_of IS NULL ORDER BY image_count DESC, name LIMIT (SELECT tags + 1 FROM size)"""
    rows = await fetch(session, statement, (max_rows,))
    tags = [(row["id"], row["image_count"]) for row in takewhile(lambda row: row["has_bitmaps"], rows[:-1])]
    return BitmapTags(tags, rows[len(tags)]["image_count"], rows[0]["pending"]) if rows else BitmapTags([], 0, 0)


def _items(rows: list[Any]) -> list[FacetValue]:
    return [FacetValue(row["value"], row["images"]) for row in rows if row["value"] is not None]
