"""The `limit` and `cursor` parameters, and the next page of a list."""

import uuid
from collections.abc import Callable, Sequence
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
    def limit(self) -> int:
        """The largest number of items of the page."""
        return self._limit

    @property
    def fetch_limit(self) -> int:
        """The number of rows to read: one more than the page, to detect a next page."""
        return self._limit + 1

    def key(self, query: str) -> list[Any] | None:
        """Return the sort key of the row before the page; None for the first page. Raises InvalidCursor."""
        return None if self._cursor is None else self._cursors.decode(self._cursor, query)

    def after(self, query: str) -> Position | None:
        """Return the position before the page; None for the first page. Raises InvalidCursor."""
        key = self.key(query)
        return None if key is None else (datetime.fromisoformat(key[0]), uuid.UUID(key[1]))

    def page(self, rows: Sequence[Row], query: str, time: str = "created_at") -> tuple[Sequence[Row], str | None]:
        """Return the rows of the page and the cursor of the next one. Set the `Link` header.

        The rows are in the order of `time` and `id`.
        """
        return self.cut(rows, query, lambda row: [getattr(row, time).isoformat(), str(row.id)])

    def cut(
        self, rows: Sequence[Row], query: str, key_of: Callable[[Row], list[Any]]
    ) -> tuple[Sequence[Row], str | None]:
        """Return the rows of the page and the cursor of the next one, for another sort key. Set the `Link` header."""
        if len(rows) <= self._limit:
            return rows, None
        return rows[: self._limit], self.continue_after(key_of(rows[self._limit - 1]), query)

    def continue_after(self, key: list[Any], query: str) -> str:
        """Return the cursor of the page after this sort key. Set the `Link` header."""
        cursor = self._cursors.encode(key, query)
        add_next_link(self._request, self._response, cursor)
        return cursor


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
