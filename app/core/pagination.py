"""Opaque, tamper-evident cursors for keyset pagination.

A cursor is the sort key of a page's last row, signed. The signature also covers the query, so that a cursor can be
neither edited nor used with another query.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Generic, TypeVar

from itsdangerous import BadData
from pydantic import BaseModel, Field

from app.core.errors import InvalidCursor
from app.core.signing import Purpose, create_serializer

MAX_LIMIT = 100
DEFAULT_LIMIT = 20

Item = TypeVar("Item", bound=BaseModel)
Limit = Annotated[int, Field(ge=1, le=MAX_LIMIT, description="The maximum number of items")]
Cursor = Annotated[
    str | None,
    Field(max_length=4096, description="The `next_cursor` of the previous page, with otherwise equal parameters"),
]


class Page(BaseModel, Generic[Item]):
    """One page of a list; `next_cursor` is null on the last one."""

    items: list[Item]
    next_cursor: str | None = None


class CursorSigner:
    """Makes and reads cursors. Cursors of previous secrets stay valid."""

    def __init__(self, secret: str, previous: Sequence[str] = ()) -> None:
        self._serializer = create_serializer(Purpose.CURSOR, secret, previous)

    def encode(self, position: Sequence[Any], query: str) -> str:
        """Return the cursor for `position` (JSON values: the sort key's columns) in the query with this fingerprint."""
        return self._serializer.dumps(list(position), salt=_salt(query))

    def decode(self, cursor: str, query: str) -> list[Any]:
        """Return the position. Raises InvalidCursor when the cursor is damaged, edited or from another query."""
        try:
            position: list[Any] = self._serializer.loads(cursor, salt=_salt(query))
        except (BadData, UnicodeEncodeError) as error:
            raise InvalidCursor from error
        return position


def _salt(query: str) -> bytes:
    return f"{Purpose.CURSOR}\0{query}".encode("utf-8", "surrogatepass")
