"""The fields whose values facets count, as SQL over the columns of `images`."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

from app.db.sql_text import BindParameters
from app.models.tag import NO_OWNER

FacetName: TypeAlias = Literal["tag", "type", "uploader", "year", "month", "camera"]


@dataclass(frozen=True, slots=True)
class FacetField:
    """A field: the column that has it, the key by which images are grouped, and the value that a client sees."""

    column: str
    key: str
    value: str

    def grouped(self, relation: str) -> str:
        """Return the query of `key` and `images` of a relation with this column and with a `weight` of each row."""
        return f"SELECT {self.key} AS key, sum(weight)::int8 AS images FROM {relation} GROUP BY 1"  # noqa: S608

    def top(self, grouped: str, limit: int, values: BindParameters) -> str:
        """Return the query of the `value` and `images` of the most frequent keys; equal ones by value.

        Only the keys that may be among them are turned into values: a tag costs a look-up.
        """
        most = values.bind(limit)
        return f"""
            SELECT {self.value} AS value, images FROM (
                SELECT key, images, rank() OVER (ORDER BY images DESC) AS place
                FROM ({grouped}) AS grouped WHERE images > 0 AND key IS NOT NULL
            ) AS ranked WHERE place <= {most} ORDER BY images DESC, {self.value} COLLATE "C" LIMIT {most}"""  # noqa: S608


def _period(unit: str, pattern: str) -> FacetField:
    # As a time in UTC, independent of the time zone of the session.
    key = f"date_trunc('{unit}', created_at AT TIME ZONE 'UTC')"
    return FacetField("created_at", key, f"to_char(key, '{pattern}')")


_NO_UPLOADER = f"CAST('{NO_OWNER}' AS uuid)"
FACET_FIELDS: Mapping[FacetName, FacetField] = MappingProxyType(
    {
        "tag": FacetField("tag_ids", "unnest(tag_ids)", "(SELECT name FROM tags WHERE id = key)"),
        "type": FacetField("content_type", "content_type", "substr(key, 7)"),
        "uploader": FacetField(
            "uploaded_by",
            f"coalesce(uploaded_by, {_NO_UPLOADER})",
            f"coalesce(CAST(nullif(key, {_NO_UPLOADER}) AS text), 'none')",
        ),
        "year": _period("year", "YYYY"),
        "month": _period("month", "YYYY-MM"),
        "camera": FacetField("camera", "camera", "key"),
    }
)
