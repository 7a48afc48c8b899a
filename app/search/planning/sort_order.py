"""The orders of the results and their keyset pagination.

Each order follows one index. `random:<seed>` is the order of the content digests, which are evenly spread. It starts at
a digest that the seed chooses and wraps around, so it needs no column of its own and pages like the others. The images
that are neighbours under one seed are neighbours under every seed.

In the order `taken`, the images without a time come last in both directions. So it also has two ranges of its index.
"""

import hashlib
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from app.core.text.suggestions import closest_match
from app.db.sql_text import TRUE, BindParameters, Condition, sql_and, sql_or

SORTS = ("created", "taken", "name", "size", "width", "pixels", "tags")
PATTERN = rf"^(-?({'|'.join(SORTS)})|random:[A-Za-z0-9_-]{{1,64}})$"
# The names of these orders in other services.
_SYNONYMS: Mapping[str, str] = MappingProxyType(
    {
        "date": "created",
        "time": "created",
        "newest": "-created",
        "oldest": "created",
        "captured": "taken",
        "filename": "name",
    }
)
SortKey: TypeAlias = tuple[Any, ...]
ConditionBuilder: TypeAlias = Callable[[BindParameters], Condition]


@dataclass(frozen=True, slots=True)
class _KeyColumn:
    column: str
    decode: Callable[[Any], Any]
    encode: Callable[[Any], Any]


def _identity(value: Any) -> Any:
    return value


def _encode_time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _decode_time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


_ID = _KeyColumn("id", uuid.UUID, str)
_KEYS: Mapping[str, tuple[_KeyColumn, ...]] = MappingProxyType(
    {
        "created": (_KeyColumn("created_at", datetime.fromisoformat, datetime.isoformat), _ID),
        "taken": (_KeyColumn("taken_at", _decode_time, _encode_time), _ID),
        "name": (_KeyColumn("name", str, _identity),),
        "size": (_KeyColumn("size", int, _identity), _ID),
        "width": (_KeyColumn("width", int, _identity), _ID),
        "pixels": (_KeyColumn("pixels", int, _identity), _ID),
        "tags": (_KeyColumn("tag_count", int, _identity), _ID),
        "random": (_KeyColumn("sha256", bytes.fromhex, bytes.hex), _ID),
    }
)


def check_sort(sort: str) -> str:
    """Return a valid `sort` parameter unchanged. Raises PydanticCustomError with the orders and a suggestion."""
    if re.fullmatch(PATTERN, sort):
        return sort
    name = sort.strip().casefold()
    minus, bare = ("-", name[1:]) if name.startswith("-") else ("", name)
    known = _SYNONYMS.get(bare) or closest_match(bare, SORTS)
    context = {"did_you_mean": f"{minus}{known}".replace("--", "")} if known else {}
    message = f"The order must be {', '.join(SORTS)}, any of them with a leading - for descending, or random:<seed>."
    raise PydanticCustomError("sort", message, context)


Sort = Annotated[str, Field(max_length=100), AfterValidator(check_sort), Field(json_schema_extra={"pattern": PATTERN})]


class SortOrder:
    """One order of the results, from the text of the `sort` parameter."""

    def __init__(self, sort: str) -> None:
        match = re.fullmatch(PATTERN, sort)
        if match is None:
            raise ValueError(f"no such order: {sort}")
        head, _, seed = sort.partition(":")
        self.name = head.removeprefix("-")
        self.descending = head.startswith("-")
        self._keys = _KEYS[self.name]
        self.start_digest = hashlib.blake2b(seed.encode(), digest_size=32).digest() if seed else None

    def reversed(self) -> "SortOrder":
        """Return the opposite order. Raises ValueError for a random one."""
        return SortOrder(self.name if self.descending else f"-{self.name}")

    def key_of(self, image: Any) -> SortKey:
        """Return the values of the sort columns of an image."""
        return tuple(getattr(image, key.column) for key in self._keys)

    def encode_key(self, image: Any) -> list[Any]:
        """Return the sort key of an image as JSON values."""
        return [key.encode(getattr(image, key.column)) for key in self._keys]

    def decode_key(self, values: Sequence[Any]) -> SortKey:
        """Return the sort key that `encode_key` returned. Raises ValueError."""
        return tuple(key.decode(value) for key, value in zip(self._keys, values, strict=True))

    @property
    def column(self) -> str:
        """The first sort column. Equal values are ordered by id."""
        return self._keys[0].column

    @property
    def columns(self) -> str:
        """The columns of a sort key, as a list in SQL."""
        return ", ".join(key.column for key in self._keys)

    @property
    def direction(self) -> str:
        """ASC or DESC."""
        return "DESC" if self.descending else "ASC"

    def order_by(self) -> str:
        """Return the ORDER BY list of one index range."""
        return ", ".join(f"{key.column} {self.direction}" for key in self._keys)

    @property
    def has_nulls(self) -> bool:
        """Whether the first column can be NULL. These images come last."""
        return self.name == "taken"

    def full_order_by(self, values: BindParameters) -> str:
        """Return the ORDER BY list of all index ranges together."""
        if self.has_nulls:
            return f"{self.column} IS NULL, {self.order_by()}"
        if self.start_digest is None:
            return self.order_by()
        return f"sha256 < {values.bind(self.start_digest)}, {self.order_by()}"

    def index_ranges(self, after: SortKey | None) -> list[ConditionBuilder]:
        """Return the ranges of the index after the key, in their order: two where the order wraps around."""
        here = partial(self._after, after)
        if self.has_nulls:
            return self._ranges_with_nulls(after)
        if self.start_digest is None:
            return [here]
        upper, lower = partial(self._side, ">="), partial(self._side, "<")
        if after is None:
            return [upper, lower]
        if after[0] < self.start_digest:
            return [lambda values: sql_and([lower(values), here(values)])]
        return [lambda values: sql_and([upper(values), here(values)]), lower]

    def _ranges_with_nulls(self, after: SortKey | None) -> list[ConditionBuilder]:
        known, unknown = f"{self.column} IS NOT NULL", f"{self.column} IS NULL"
        if after is None:
            return [lambda _values: known, lambda _values: unknown]
        if after[0] is not None:
            return [partial(self._after, after), lambda _values: unknown]
        comparison = "<" if self.descending else ">"
        return [lambda values: sql_and([unknown, f"id {comparison} {values.bind(after[1])}"])]

    def follows(self, after: SortKey | None, values: BindParameters) -> Condition:
        """Return the condition of the images after the key."""
        return sql_or(index_range(values) for index_range in self.index_ranges(after))

    def _side(self, comparison: str, values: BindParameters) -> Condition:
        return f"sha256 {comparison} {values.bind(self.start_digest)}"

    def precedes(self, last: SortKey, after: SortKey | None, values: BindParameters) -> Condition:
        """Return the condition of the images up to `last`, or equal to it in the first column.

        PostgreSQL estimates one side of a row comparison, or the range between two values of a column. A row on one
        side and a value on the other are independent for it.
        """
        comparison = ">=" if self.descending else "<="
        if last[0] is None:
            return f"{self.column} IS NULL AND id {comparison} {values.bind(last[1])}"
        if after is None and self.start_digest is None:
            return self._compare(comparison, last, values)
        return f"{self.column} {comparison} {values.bind(last[0])}"

    def _after(self, after: SortKey | None, values: BindParameters) -> Condition:
        if after is None:
            return TRUE
        comparison = "<" if self.descending else ">"
        # The first column once more by itself, for the estimates of PostgreSQL: see `precedes`.
        first = f"{self.column} {comparison}= {values.bind(after[0])}"
        return sql_and([first, self._compare(comparison, after, values)])

    def _compare(self, comparison: str, key: SortKey, values: BindParameters) -> Condition:
        return f"({self.columns}) {comparison} ({', '.join(values.bind(value) for value in key)})"
