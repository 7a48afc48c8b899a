"""Counts the values of facets with the bitmaps, without a look at each match.

Like a count by bitmaps, it looks some images up one by one: queued ones, private ones and those with a rare tag. For
months and years, it also looks up the images of a chunk that spans two of them. The weight of a looked-up image is 1,
or -1 if the bits wrongly have it.
"""

from dataclasses import replace

from app.authz.visibility import VisibilityScope
from app.db.sql_text import FALSE, BindParameters
from app.models.bitmap import CHUNK, IMAGES_OF_TYPE, PUBLIC_IMAGES
from app.search.bitmap_index.bitmap_queries import candidates_cte, images_of, ordinals_of
from app.search.planning.bitmap_coverage import is_common
from app.search.planning.cost_model import CostModel
from app.search.planning.facet_fields import FACET_FIELDS, FacetName
from app.search.planning.predicates import QueryPredicates, has_any

_ZEROS = f"CAST(repeat('0', {CHUNK}) AS bit({CHUNK}))"
_TYPES = " ".join(f"WHEN {bitmap} THEN 'image/{name}'" for name, bitmap in IMAGES_OF_TYPE.items())


class FacetStatement:
    """The statement that counts the values of a field; not ready if too many images would be looked up.

    It returns rows of `is_ready`, `total`, `other`, `value` and `images`. For tags, it counts those of `tags`, and
    `other` is the largest number of looked-up images that have one and the same other tag.
    """

    def __init__(
        self, predicates: QueryPredicates, name: FacetName, costs: CostModel, limit: int, tags: list[int]
    ) -> None:
        self.values = BindParameters()
        self._predicates, self._costs = predicates, costs
        self._field, self._is_tag = FACET_FIELDS[name], name == "tag"
        self._is_period = name in ("year", "month")
        self._bitmaps = tags if self._is_tag else list(IMAGES_OF_TYPE.values()) if name == "type" else []
        self._common = replace(predicates, tags=predicates.tags.restrict(is_common))
        self._public = VisibilityScope().sql(self.values)
        self.text = self._text(limit)

    def _text(self, limit: int) -> str:
        costs, values = self._costs, self.values
        bitmaps = values.bind(self._bitmaps, "int[]")
        grouped = self._field.grouped("looked_up")
        other = f"SELECT coalesce(max(images), 0) FROM adjustments WHERE key <> ALL({bitmaps})" if self._is_tag else "0"  # noqa: S608
        is_counted = f"key = ANY({bitmaps})" if self._is_tag else "TRUE"
        counted = f"""
            SELECT key, sum(images)::int8 AS images FROM (
                {self._indexed(bitmaps)} UNION ALL SELECT * FROM adjustments WHERE {is_counted}
            ) AS parts WHERE (SELECT is_ready FROM totals) GROUP BY key"""  # noqa: S608
        cte = candidates_cte(
            self._common.query, self._common.tags, PUBLIC_IMAGES, values, self._costs.max_queued_for_count
        )
        return f"""
            WITH {cte},
            outdated AS (
                SELECT ordinal / {CHUNK} AS chunk, bit_or(set_bit({_ZEROS}, ordinal % {CHUNK}, 1)) AS bits
                FROM queued JOIN bitmap_ordinals USING (image_id) GROUP BY 1
            ), valid AS MATERIALIZED (
                SELECT chunk, CASE WHEN o.bits IS NULL THEN c.bits ELSE c.bits & ~o.bits END AS bits
                FROM chunks c LEFT JOIN outdated o USING (chunk)
            ), {self._split()},
            looked_up AS MATERIALIZED (
                SELECT * FROM ({" UNION ALL ".join(self._look_ups())}) AS images LIMIT {costs.facet_lookups + 1}
            ), adjustments AS MATERIALIZED ({grouped}),
            totals AS MATERIALIZED (
                SELECT (SELECT is_ready FROM readiness) AND (SELECT count(*) FROM looked_up) <= {costs.facet_lookups}
                AND (SELECT coalesce(sum(bit_count(bits)), 0) FROM split) <= {costs.facet_lookups}
                AND (SELECT count(*) FROM tag_bitmaps WHERE chunk = 0 AND tag_id = ANY({bitmaps}))
                    = cardinality({bitmaps}) AS is_ready,
                (SELECT coalesce(sum(bit_count(bits)), 0) FROM whole)
                    + (SELECT coalesce(sum(weight), 0) FROM looked_up) AS total
            )
            SELECT is_ready, total::int8, ({other})::int8 AS other, value, images
            FROM totals LEFT JOIN ({self._field.top(counted, limit, values)}) AS items ON is_ready
            ORDER BY images DESC, value COLLATE "C\""""  # noqa: S608 - of constants

    def _split(self) -> str:
        """Return `whole`, the chunks that are counted by their bits, and `split`, whose images are looked up.

        The images of a chunk in `whole` have one year or month.
        """
        if not self._is_period:
            return "whole AS (SELECT * FROM valid), split AS (SELECT * FROM valid WHERE FALSE)"
        first, last = (self._period(end) for end in ("min_created_at", "max_created_at"))
        return f"""
            whole AS MATERIALIZED (
                SELECT chunk, bits, {first} AS key FROM valid JOIN bitmap_chunks USING (chunk) WHERE {first} = {last}
            ), split AS MATERIALIZED (
                SELECT chunk, bits FROM valid JOIN bitmap_chunks USING (chunk) WHERE {first} <> {last}
            )"""  # noqa: S608

    def _period(self, column: str) -> str:
        return self._field.key.replace("created_at", column)

    def _indexed(self, bitmaps: str) -> str:
        """Return the query of `key` and `images` by the bits of the chunks."""
        if self._is_period:
            return "SELECT key, sum(bit_count(bits)) AS images FROM whole GROUP BY key"
        key = "tag_id" if self._is_tag else f"CASE tag_id {_TYPES} END"
        return f"""
            SELECT {key} AS key, sum(bit_count(v.bits & b.bits)) AS images
            FROM whole v JOIN tag_bitmaps b USING (chunk) WHERE tag_id = ANY({bitmaps}) GROUP BY 1"""  # noqa: S608

    def _look_ups(self) -> list[str]:
        """Return the queries of the weight and the column of images that the bits do not count."""
        values, predicates, column = self.values, self._predicates, self._field.column
        common = self._common.condition(values)
        queries = [
            f"SELECT 1 AS weight, {column} FROM ({images_of('queued')}) AS images WHERE {common} AND {self._public}"  # noqa: S608
        ]
        if rare := sorted(tag.id for tag in predicates.tags.all if not is_common(tag)):
            weight = f"CAST({predicates.condition(values)} AS int) - CAST({self._common.condition(values)} AS int)"
            queries.append(f"""
                SELECT weight, {column} FROM (
                    SELECT {weight} AS weight, {column} FROM images WHERE {has_any(rare, values)} AND {self._public}
                ) AS differing WHERE weight <> 0""")  # noqa: S608
        if (private := predicates.visible_private_condition(values)) != FALSE:
            queries.append(f"SELECT 1, {column} FROM images WHERE {private}")  # noqa: S608
        if self._is_period:
            few = f"split WHERE (SELECT sum(bit_count(bits)) FROM split) <= {self._costs.facet_lookups}"  # noqa: S608
            ids = f"SELECT image_id FROM bitmap_ordinals WHERE ordinal = ANY(ARRAY({ordinals_of(few)}))"  # noqa: S608
            queries.append(f"SELECT 1, {column} FROM images WHERE id = ANY(ARRAY({ids}))")  # noqa: S608
        return queries
