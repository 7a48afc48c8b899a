"""Opaque, tamper-evident cursors for keyset paging.

A cursor is the position after the last row of a page, bound to the query that made it: base64url of
`mac || json(position)`, where the MAC covers the position and the query's fingerprint. It therefore cannot be edited,
nor be used with another query.
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, Field

from app.core.errors import InvalidCursor
from app.core.security import derived_key

MAX_LIMIT = 100
DEFAULT_LIMIT = 20
_MAC_BYTES = 12

Item = TypeVar("Item", bound=BaseModel)
Limit = Annotated[int, Field(ge=1, le=MAX_LIMIT, description="The number of items per page")]
Cursor = Annotated[
    str | None,
    Field(max_length=4096, description="The `next_cursor` of the previous page, valid for the same query only"),
]


class Page(BaseModel, Generic[Item]):
    """One page of a list; `next_cursor` is null on the last one."""

    items: list[Item]
    next_cursor: str | None = None


class CursorSigner:
    """Makes cursors with a key derived from the service's secret; reads those made with the secrets of before, too."""

    def __init__(self, secret: str, previous: Sequence[str] = ()) -> None:
        self._keys = [derived_key(one, b"imts-cursor") for one in (secret, *previous)]

    def encode(self, position: Sequence[Any], query: str) -> str:
        """Return the cursor for `position` (JSON values: the sort key's columns) in the query with this fingerprint."""
        body = json.dumps(list(position), separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(_mac(body, query, self._keys[0]) + body).rstrip(b"=").decode()

    def decode(self, cursor: str, query: str) -> list[Any]:
        """Return the position. Raises InvalidCursor when the cursor is damaged, edited or from another query."""
        try:
            raw = base64.b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        except (UnicodeEncodeError, binascii.Error) as error:
            raise InvalidCursor from error
        mac, body = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if not any(hmac.compare_digest(mac, _mac(body, query, key)) for key in self._keys):
            raise InvalidCursor
        position: list[Any] = json.loads(body)
        return position


def _mac(body: bytes, query: str, key: bytes) -> bytes:
    message = hashlib.blake2b(query.encode("utf-8", "surrogatepass")).digest() + body
    return hashlib.blake2b(message, key=key, digest_size=_MAC_BYTES).digest()
