"""The orders of the results and the keyset positions in them.

An order is walked along one index. `random:<seed>` starts at a point of the content digests that the seed chooses and
goes round: the digests are evenly spread whatever the images are, so that the order needs no column of its own and has
the same keyset paging as the others; images next to each other under one seed are so under another, too.
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
from app.db.sql_text import EVERY, Condition, Values, all_true, any_true

SORTS = ("created", "name", "size", "width", "pixels", "tags")
PATTERN = rf"^(-?({'|'.join(SORTS)})|random:[A-Za-z0-9_-]{{1,64}})$"
# What other services call these orders.
_SYNONYMS: Mapping[str, str] = MappingProxyType(
    {"date": "created", "time": "created", "newest": "-created", "oldest": "created", "filename": "name"}
)
Position: TypeAlias = tuple[Any, ...]
Segment: TypeAlias = Callable[[Values], Condition]


@dataclass(frozen=True, slots=True)
class _Key:
    column: str
    read: Callable[[Any], Any]
    write: Callable[[Any], Any]


def _same(value: Any) -> Any:
    return value


_ID = _Key("id", uuid.UUID, str)
_KEYS: Mapping[str, tuple[_Key, ...]] = MappingProxyType(
    {
        "created": (_Key("created_at", datetime.fromisoformat, datetime.isoformat), _ID),
        "name": (_Key("name", str, _same),),
        "size": (_Key("size", int, _same), _ID),
        "width": (_Key("width", int, _same), _ID),
        "pixels": (_Key("pixels", int, _same), _ID),
        "tags": (_Key("tag_count", int, _same), _ID),
        "random": (_Key("sha256", bytes.fromhex, bytes.hex), _ID),
    }
)


def check_sort(sort: str) -> str:
    """Return the text of a valid `sort` parameter. Raises PydanticCustomError with the orders, and a suggestion."""
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
    """One order of the results, by the text of the `sort` parameter."""

    def __init__(self, sort: str) -> None:
        match = re.fullmatch(PATTERN, sort)
        if match is None:
            raise ValueError(f"no such order: {sort}")
        head, _, seed = sort.partition(":")
        self.name = head.removeprefix("-")
        self.descending = head.startswith("-")
        self._keys = _KEYS[self.name]
        self.start = hashlib.blake2b(seed.encode(), digest_size=32).digest() if seed else None

    def position(self, image: Any) -> Position:
        """Return the position of an image."""
        return tuple(getattr(image, key.column) for key in self._keys)

    def write(self, image: Any) -> list[Any]:
        """Return the position of an image as JSON values."""
        return [key.write(getattr(image, key.column)) for key in self._keys]

    def read(self, values: Sequence[Any]) -> Position:
        """Return the position that `write` gave."""
        return tuple(key.read(value) for key, value in zip(self._keys, values, strict=True))

    @property
    def column(self) -> str:
        """The column that orders; equal ones are in the order of their ids."""
        return self._keys[0].column

    @property
    def columns(self) -> str:
        """What a position consists of."""
        return ", ".join(key.column for key in self._keys)

    @property
    def direction(self) -> str:
        """Which way the columns are ordered."""
        return "DESC" if self.descending else "ASC"

    def walk(self) -> str:
        """Return what one segment is ordered by: an index has it."""
        return ", ".join(f"{key.column} {self.direction}" for key in self._keys)

    def whole(self, values: Values) -> str:
        """Return what all segments together are ordered by."""
        return self.walk() if self.start is None else f"sha256 < {values.bind(self.start)}, {self.walk()}"

    def segments(self, after: Position | None) -> list[Segment]:
        """Return the stretches of the index that lie after the position, in their order."""
        here = partial(self._after, after)
        if self.start is None:
            return [here]
        upper, lower = partial(self._side, ">="), partial(self._side, "<")
        if after is None:
            return [upper, lower]
        if after[0] < self.start:
            return [lambda values: all_true([lower(values), here(values)])]
        return [lambda values: all_true([upper(values), here(values)]), lower]

    def later(self, after: Position | None, values: Values) -> Condition:
        """Return the condition of what comes after the position."""
        return any_true(segment(values) for segment in self.segments(after))

    def _side(self, comparison: str, values: Values) -> Condition:
        return f"sha256 {comparison} {values.bind(self.start)}"

    def up_to(self, last: Position, after: Position | None, values: Values) -> Condition:
        """Return the condition of what comes no later than `last`, or is equal to it in the first column.

        The planner knows how much lies on one side of a row, or between two values of a column; a row on one side and
        a value on the other it takes for independent.
        """
        comparison = ">=" if self.descending else "<="
        if after is None and self.start is None:
            return self._compared(comparison, last, values)
        return f"{self.column} {comparison} {values.bind(last[0])}"

    def _after(self, after: Position | None, values: Values) -> Condition:
        if after is None:
            return EVERY
        comparison = "<" if self.descending else ">"
        # The first column once more by itself, for the planner: see `up_to`.
        first = f"{self.column} {comparison}= {values.bind(after[0])}"
        return all_true([first, self._compared(comparison, after, values)])

    def _compared(self, comparison: str, position: Position, values: Values) -> Condition:
        return f"({self.columns}) {comparison} ({', '.join(values.bind(value) for value in position)})"
