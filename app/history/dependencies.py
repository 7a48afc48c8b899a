"""The paging of events, the sessions that read them, and the service that reverts them."""

from collections.abc import AsyncIterator, Sequence
from typing import Annotated

from fastapi import Depends, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.authz.principal import Principal
from app.core.callers import current_caller
from app.core.errors import InvalidCursor, QueryTimeout, TooManyConcurrentRequests
from app.core.pagination import DEFAULT_LIMIT, Cursor, CursorSigner, Limit
from app.history.revert_service import RevertService
from app.history.schemas import EventPage, EventRead
from app.http.dependencies import ContainerDep, CursorsDep
from app.http.links import add_next_link
from app.http.problems import raising
from app.models import TagEvent
from app.users.dependencies import AuditLogDep, PrincipalDep


class EventPaging:
    """The `limit` and `cursor` of a request for events. A cursor is the id of the last event of a page."""

    def __init__(
        self, request: Request, response: Response, cursors: CursorSigner, principal: Principal, limit: int
    ) -> None:
        self._request, self._response, self._cursors = request, response, cursors
        self._principal, self._limit = principal, limit

    @property
    def fetch_limit(self) -> int:
        """The number of events to read: one more than the page, to detect a next page."""
        return self._limit + 1

    def before(self, query: str) -> int | None:
        """Return the id that the page precedes; None for the first page. Raises InvalidCursor."""
        cursor = self._request.query_params.get("cursor")
        return None if cursor is None else int(self._cursors.decode(cursor, self._fingerprint(query))[0])

    def page(self, events: Sequence[TagEvent], query: str) -> EventPage:
        """Return the page, and set its headers. A page depends on the caller, and is to be revalidated."""
        is_anonymous = self._principal.user is None
        self._response.headers["Cache-Control"] = "no-cache" if is_anonymous else "private, no-cache"
        self._response.headers["Vary"] = "Authorization"
        page = EventPage(items=[EventRead.of(event) for event in events[: self._limit]])
        if len(events) > self._limit:
            page.next_cursor = self._cursors.encode([page.items[-1].id], self._fingerprint(query))
            add_next_link(self._request, self._response, page.next_cursor)
        return page

    def _fingerprint(self, query: str) -> str:
        return f"history {self._principal.id} {query}"


@raising(InvalidCursor)
async def get_event_paging(
    request: Request,
    response: Response,
    cursors: CursorsDep,
    principal: PrincipalDep,
    limit: Annotated[Limit, Query()] = DEFAULT_LIMIT,
    _cursor: Annotated[Cursor, Query(alias="cursor")] = None,
) -> EventPaging:
    """Return the paging of the request."""
    return EventPaging(request, response, cursors, principal, limit)


@raising(QueryTimeout, TooManyConcurrentRequests)
async def get_history_session(container: ContainerDep) -> AsyncIterator[AsyncSession]:
    """Yield a session for a request that only reads, within the queue of lists and the time limit of searches."""
    async with container.queues.tag_lists.enter(current_caller.get()), container.database.search_session() as session:
        yield session


async def get_revert_service(container: ContainerDep, audit: AuditLogDep) -> RevertService:
    return RevertService(container.database, audit, container.queues.bulk_edits)


EventPagingDep = Annotated[EventPaging, Depends(get_event_paging)]
HistorySession = Annotated[AsyncSession, Depends(get_history_session, scope="function")]
RevertServiceDep = Annotated[RevertService, Depends(get_revert_service)]
