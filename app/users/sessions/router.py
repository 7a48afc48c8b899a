"""Endpoints to list and end the sessions of one's own account."""

import uuid

from app.http.paging import PagingDep
from app.http.prefix_router import PrefixRouter
from app.http.problems import problems
from app.users.authenticated_route import AuthenticatedRoute
from app.users.dependencies import CurrentUser, PrincipalDep, SignedIn
from app.users.errors import SessionNotFound
from app.users.sessions.dependencies import UserSessionsReader, UserSessionsRepo
from app.users.sessions.schemas import SessionPage, SessionRead

router = PrefixRouter(prefix="/users/me/sessions", tags=["users"], route_class=AuthenticatedRoute)


@router.get("", summary="List your sessions")
async def list_sessions(
    principal: PrincipalDep, user: CurrentUser, sessions: UserSessionsReader, paging: PagingDep
) -> SessionPage:
    """Return a page of the account's active sessions, newest first."""
    query = f"sessions {user.id}"
    found = await sessions.list_newest(user.id, paging.after(query), paging.fetch_limit)
    rows, next_cursor = paging.page(found, query)
    return SessionPage(items=[SessionRead.of(row, principal.session_id) for row in rows], next_cursor=next_cursor)


@router.delete(
    "/{session_id}",
    status_code=204,
    summary="End a session",
    responses=problems(SessionNotFound),
)
async def delete_session(
    session_id: uuid.UUID, _principal: SignedIn, user: CurrentUser, sessions: UserSessionsRepo
) -> None:
    """End a session of the account. Its access and refresh tokens are refused at once."""
    await sessions.remove_own(user.id, session_id)
