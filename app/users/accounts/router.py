"""Endpoints to sign up, and to read, change and delete an account."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import Query, Request, Response

from app.core.errors import EmailTaken, TooManyRequests
from app.http.links import public_path
from app.http.paging import PagingDep
from app.http.prefix_router import PrefixRouter
from app.http.problems import problems
from app.http.requests.conditional import NOT_MODIFIED, entity_response
from app.models import User
from app.users.authenticated_route import AuthenticatedRoute
from app.users.dependencies import (
    AccountsDep,
    AdminUser,
    CurrentUser,
    DeviceDep,
    SignedIn,
    UsersReader,
)
from app.users.errors import RecentSignInRequired, SignUpClosed, WrongPassword
from app.users.schemas import Email, UserCreate, UserPage, UserRead, UserUpdate, to_read

router = PrefixRouter(prefix="/users", tags=["users"], route_class=AuthenticatedRoute)


@router.post(
    "",
    status_code=201,
    summary="Sign up",
    responses=problems(EmailTaken, SignUpClosed, TooManyRequests),
)
async def create_user(
    body: UserCreate, accounts: AccountsDep, device: DeviceDep, request: Request, response: Response
) -> UserRead:
    """Create an account with an e-mail address and a password of 8 to 1024 characters.

    The address is case-insensitive. The password must differ from it and from the part before its `@`.
    """
    user = await accounts.sign_up(body, device.address)
    response.headers["Location"] = public_path(request, "/v1/users/me")
    return to_read(user, [])


@router.get(
    "",
    summary="List accounts",
)
async def list_users(
    _admin: AdminUser,
    users: UsersReader,
    paging: PagingDep,
    email: Annotated[Email | None, Query(description="Return only the account with exactly this address")] = None,
) -> UserPage:
    """Return a page of accounts, newest first. Admins only."""
    query = f"users {email}"
    rows, next_cursor = paging.page(await users.list_newest(email, paging.after(query), paging.fetch_limit), query)
    return UserPage(items=await with_providers(users, rows), next_cursor=next_cursor)


@router.get(
    "/me",
    summary="Get your account",
    response_model=UserRead,
    responses=NOT_MODIFIED,
)
async def read_me(request: Request, user: CurrentUser, users: UsersReader) -> Response:
    """Return the account of the access token or API key."""
    (read,) = await with_providers(users, [user])
    return entity_response(request, read)


@router.patch(
    "/me",
    summary="Change your e-mail or password",
    responses=problems(WrongPassword, RecentSignInRequired, EmailTaken, TooManyRequests),
)
async def update_me(
    body: UserUpdate, principal: SignedIn, user: CurrentUser, accounts: AccountsDep, users: UsersReader
) -> UserRead:
    """Change the e-mail address or the password. The current password is required.

    A new password ends all other sessions and deletes all API keys. `keep_api_keys` keeps the keys.

    An account without a password can set one within ten minutes after a social login.
    """
    changed = await accounts.change(principal, user, body)
    (read,) = await with_providers(users, [changed])
    return read


async def with_providers(users: UsersReader, rows: Sequence[User]) -> list[UserRead]:
    """Shape accounts for the wire, with the identity providers linked to them."""
    providers = await users.providers_of([user.id for user in rows])
    return [to_read(user, providers[user.id]) for user in rows]
