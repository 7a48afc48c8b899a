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
from types import MappingProxyType
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, and_, literal, tuple_

from app.models import Image

SORTS = ("created", "name", "size", "width", "pixels", "tags")
PATTERN = rf"^(-?({'|'.join(SORTS)})|random:[A-Za-z0-9_-]{{1,64}})$"
Entity: TypeAlias = type[Image]
Position: TypeAlias = tuple[Any, ...]


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


class Order:
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

    def write(self, image: Image) -> list[Any]:
        """Return the position of an image as JSON values."""
        return [key.write(getattr(image, key.column)) for key in self._keys]

    def read(self, values: Sequence[Any]) -> Position:
        """Return the position that `write` gave."""
        return tuple(key.read(value) for key, value in zip(self._keys, values, strict=True))

    def columns(self, entity: Entity) -> list[Any]:
        """Return the columns of a position."""
        return [getattr(entity, key.column) for key in self._keys]

    def walk(self, entity: Entity) -> list[ColumnElement[Any]]:
        """Return the columns to order one segment by: an index has them."""
        return [column.desc() if self.descending else column.asc() for column in self.columns(entity)]

    def whole(self, entity: Entity) -> list[ColumnElement[Any]]:
        """Return the columns to order all segments by."""
        if self.start is None:
            return self.walk(entity)
        return [(entity.sha256 < self.start).asc(), *self.walk(entity)]

    def segments(self, entity: Entity, after: Position | None) -> list[ColumnElement[bool]]:
        """Return the stretches of the index that lie after the position, in their order."""
        if self.start is None:
            return [self._after(entity, after)]
        upper, lower = entity.sha256 >= self.start, entity.sha256 < self.start
        if after is None:
            return [upper, lower]
        if after[0] < self.start:
            return [and_(lower, self._after(entity, after))]
        return [and_(upper, self._after(entity, after)), lower]

    def _after(self, entity: Entity, after: Position | None) -> ColumnElement[bool]:
        if after is None:
            return literal(True)
        columns = self.columns(entity)
        position = tuple_(*(literal(value, column.type) for value, column in zip(after, columns, strict=True)))
        here = tuple_(*columns)
        return here < position if self.descending else here > position
