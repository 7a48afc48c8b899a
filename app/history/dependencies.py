"""The paging of events, the sessions that read them, and the service that reverts them."""

from collections.abc import AsyncIterator, Sequence
from typing import Annotated

from fastapi import Depends, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.authz.principal import Principal
from app.core.callers import current_caller
from app.core.errors import QueryTimeout, TooManyConcurrentRequests
from app.history.revert_service import RevertService
from app.history.schemas import EventPage, EventRead
from app.http.dependencies import ContainerDep
from app.http.paging import Paging, PagingDep
from app.http.problems import raising
from app.models import TagEvent
from app.users.dependencies import AuditLogDep, PrincipalDep


class EventPaging:
    """The pages of events for one caller. A cursor is the id of the last event of a page."""

    def __init__(self, paging: Paging, response: Response, principal: Principal) -> None:
        self._paging, self._response, self._principal = paging, response, principal

    @property
    def fetch_limit(self) -> int:
        """The number of events to read: one more than the page, to detect a next page."""
        return self._paging.fetch_limit

    def before(self, query: str) -> int | None:
        """Return the id that the page precedes; None for the first page. Raises InvalidCursor."""
        key = self._paging.key(self._fingerprint(query))
        return None if key is None else int(key[0])

    def page(self, events: Sequence[TagEvent], query: str) -> EventPage:
        """Return the page, and set its headers. A page depends on the caller, and is to be revalidated."""
        is_anonymous = self._principal.user is None
        self._response.headers["Cache-Control"] = "no-cache" if is_anonymous else "private, no-cache"
        self._response.headers["Vary"] = "Authorization"
        rows, next_cursor = self._paging.cut(events, self._fingerprint(query), lambda event: [event.id])
        return EventPage(items=[EventRead.of(event) for event in rows], next_cursor=next_cursor)

    def _fingerprint(self, query: str) -> str:
        return f"history {self._principal.id} {query}"


async def get_event_paging(paging: PagingDep, response: Response, principal: PrincipalDep) -> EventPaging:
    """Return the paging of the request."""
    return EventPaging(paging, response, principal)


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
