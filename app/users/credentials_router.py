"""The credentials of one's own account: its sessions and its API keys."""

import uuid

from fastapi import Request, Response

from app.authz.principal import Principal
from app.core.errors import AdminRequired, TooManyRequests
from app.http.links import public_path
from app.http.paging import PagingDep
from app.http.prefix_router import PrefixRouter
from app.http.problems import problems
from app.models import ApiKey, UserSession
from app.users.authenticated_route import AuthenticatedRoute
from app.users.dependencies import (
    ApiKeysDep,
    ApiKeysReader,
    ApiKeysRepo,
    CurrentUser,
    PrincipalDep,
    SignedIn,
    UserSessionsReader,
    UserSessionsRepo,
)
from app.users.errors import ApiKeyNotFound, RecentSignInRequired, SessionNotFound, TooManyApiKeys, WrongPassword
from app.users.schemas import ApiKeyCreate, ApiKeyCreated, ApiKeyPage, ApiKeyRead, SessionPage, SessionRead

router = PrefixRouter(prefix="/users/me", tags=["users"], route_class=AuthenticatedRoute)


@router.get("/sessions", summary="List your sessions")
async def list_sessions(
    principal: PrincipalDep, user: CurrentUser, sessions: UserSessionsReader, paging: PagingDep
) -> SessionPage:
    """Return a page of the account's active sessions, newest first."""
    query = f"sessions {user.id}"
    found = await sessions.list_newest(user.id, paging.after(query), paging.fetch_limit)
    rows, next_cursor = paging.page(found, query)
    return SessionPage(items=[_session_read(row, principal) for row in rows], next_cursor=next_cursor)


@router.delete(
    "/sessions/{session_id}",
    status_code=204,
    summary="End a session",
    responses=problems(SessionNotFound),
)
async def delete_session(
    session_id: uuid.UUID, _principal: SignedIn, user: CurrentUser, sessions: UserSessionsRepo
) -> None:
    """End a session of the account. Its access and refresh tokens are refused at once."""
    await sessions.remove_own(user.id, session_id)


@router.post(
    "/api-keys",
    status_code=201,
    summary="Create an API key",
    responses=problems(AdminRequired, WrongPassword, RecentSignInRequired, TooManyApiKeys, TooManyRequests),
)
async def create_api_key(
    body: ApiKeyCreate,
    principal: SignedIn,
    user: CurrentUser,
    api_keys: ApiKeysDep,
    request: Request,
    response: Response,
) -> ApiKeyCreated:
    """Create a key for scripts, which send it as a bearer token. The key is shown once and stored as a digest.

    The last sign-in must be at most ten minutes old; otherwise `current_password` is required.
    An account has at most `MAX_API_KEYS_PER_USER` keys, including expired ones.
    Only an admin can create a key with the scope `admin`. A change of the account's role removes the scope.
    """
    row, key = await api_keys.create(principal, user, body)
    response.headers["Location"] = public_path(request, f"/v1/users/me/api-keys/{row.id}")
    response.headers["Cache-Control"] = "no-store"
    return ApiKeyCreated(**_api_key_read(row).model_dump(), key=key)


@router.get("/api-keys", summary="List your API keys")
async def list_api_keys(user: CurrentUser, keys: ApiKeysReader, paging: PagingDep) -> ApiKeyPage:
    """Return a page of the account's API keys, newest first."""
    query = f"api-keys {user.id}"
    rows, next_cursor = paging.page(await keys.list_newest(user.id, paging.after(query), paging.fetch_limit), query)
    return ApiKeyPage(items=[_api_key_read(row) for row in rows], next_cursor=next_cursor)


@router.delete(
    "/api-keys/{key_id}",
    status_code=204,
    summary="Delete an API key",
    responses=problems(ApiKeyNotFound),
)
async def delete_api_key(key_id: uuid.UUID, _principal: SignedIn, user: CurrentUser, keys: ApiKeysRepo) -> None:
    """Delete an API key of the account. It is refused at once."""
    await keys.remove(user.id, key_id)


def _session_read(session: UserSession, principal: Principal) -> SessionRead:
    return SessionRead(
        id=session.id,
        created_at=session.created_at,
        last_used_at=session.rotated_at,
        expires_at=session.expires_at,
        address=session.address,
        user_agent=session.user_agent,
        current=session.id == principal.session_id,
    )


def _api_key_read(key: ApiKey) -> ApiKeyRead:
    return ApiKeyRead(
        id=key.id,
        name=key.name,
        scopes=[*key.scopes],
        created_at=key.created_at,
        expires_at=key.expires_at,
        last_used_at=key.last_used_at,
    )
