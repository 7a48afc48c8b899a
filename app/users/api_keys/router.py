"""Endpoints to create, list and delete the API keys of one's own account."""

import uuid

from fastapi import Request, Response

from app.core.errors import AdminRequired, TooManyRequests
from app.http.links import public_path
from app.http.paging import PagingDep
from app.http.prefix_router import PrefixRouter
from app.http.problems import problems
from app.users.api_keys.dependencies import ApiKeysDep, ApiKeysReader, ApiKeysRepo
from app.users.api_keys.schemas import ApiKeyCreate, ApiKeyCreated, ApiKeyPage, ApiKeyRead
from app.users.api_keys.service import NewApiKey
from app.users.authenticated_route import AuthenticatedRoute
from app.users.dependencies import CurrentUser, SignedIn
from app.users.errors import ApiKeyNotFound, RecentSignInRequired, TooManyApiKeys, WrongPassword

router = PrefixRouter(prefix="/users/me/api-keys", tags=["users"], route_class=AuthenticatedRoute)


@router.post(
    "",
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
    requested = NewApiKey(body.name, body.scopes, body.expires_at)
    row, key = await api_keys.create(principal, user, requested, body.current_password)
    response.headers["Location"] = public_path(request, f"/v1/users/me/api-keys/{row.id}")
    response.headers["Cache-Control"] = "no-store"
    return ApiKeyCreated(**ApiKeyRead.model_validate(row).model_dump(), key=key)


@router.get("", summary="List your API keys")
async def list_api_keys(user: CurrentUser, keys: ApiKeysReader, paging: PagingDep) -> ApiKeyPage:
    """Return a page of the account's API keys, newest first."""
    query = f"api-keys {user.id}"
    rows, next_cursor = paging.page(await keys.list_newest(user.id, paging.after(query), paging.fetch_limit), query)
    return ApiKeyPage(items=[ApiKeyRead.model_validate(row) for row in rows], next_cursor=next_cursor)


@router.delete(
    "/{key_id}",
    status_code=204,
    summary="Delete an API key",
    responses=problems(ApiKeyNotFound),
)
async def delete_api_key(key_id: uuid.UUID, _principal: SignedIn, user: CurrentUser, keys: ApiKeysRepo) -> None:
    """Delete an API key of the account. It is refused at once."""
    await keys.remove(user.id, key_id)
