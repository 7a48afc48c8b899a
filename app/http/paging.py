"""The `limit` and `cursor` parameters, and the next page of a list."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Protocol, TypeVar

from fastapi import Depends, Query, Request, Response

from app.core.errors import InvalidCursor
from app.core.pagination import DEFAULT_LIMIT, Cursor, CursorSigner, Limit
from app.db.keyset import Position
from app.http.dependencies import CursorsDep
from app.http.links import add_next_link
from app.http.problems import raising


class HasId(Protocol):
    """A row with the last column of the sort order."""

    @property
    def id(self) -> Any: ...


Row = TypeVar("Row", bound=HasId)


class Paging:
    """The `limit` and `cursor` of a request, and the link to the next page."""

    def __init__(
        self, request: Request, response: Response, cursors: CursorSigner, limit: int, cursor: str | None
    ) -> None:
        self._request, self._response, self._cursors = request, response, cursors
        self._limit, self._cursor = limit, cursor

    @property
    def fetch_limit(self) -> int:
        """The number of rows to read: one more than the page, to detect a next page."""
        return self._limit + 1

    def after(self, query: str) -> Position | None:
        """Return the position before the page; None for the first page. Raises InvalidCursor."""
        if self._cursor is None:
            return None
        created_at, row_id = self._cursors.decode(self._cursor, query)
        return datetime.fromisoformat(created_at), uuid.UUID(row_id)

    def page(self, rows: Sequence[Row], query: str, time: str = "created_at") -> tuple[Sequence[Row], str | None]:
        """Return the rows of the page and the cursor of the next one. Set the `Link` header.

        The rows are in the order of `time` and `id`.
        """
        if len(rows) <= self._limit:
            return rows, None
        last = rows[self._limit - 1]
        cursor = self._cursors.encode([getattr(last, time).isoformat(), str(last.id)], query)
        add_next_link(self._request, self._response, cursor)
        return rows[: self._limit], cursor


@raising(InvalidCursor)
async def get_paging(
    request: Request,
    response: Response,
    cursors: CursorsDep,
    limit: Annotated[Limit, Query()] = DEFAULT_LIMIT,
    cursor: Annotated[Cursor, Query()] = None,
) -> Paging:
    """Return the request's paging."""
    return Paging(request, response, cursors, limit, cursor)


PagingDep = Annotated[Paging, Depends(get_paging)]
