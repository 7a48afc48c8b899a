"""Endpoints to sign up, and to read, change and delete an account."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import Query, Request, Response

from app.core.errors import TooManyRequests
from app.http.links import public_path
from app.http.paging import PagingDep
from app.http.prefix_router import PrefixRouter
from app.http.problems import problems
from app.http.requests.conditional import NOT_MODIFIED, entity_response
from app.models import User
from app.users.accounts.dependencies import AccountsDep, SignUpDep, UsersReader
from app.users.accounts.field_types import Email
from app.users.accounts.repository import UserRepository
from app.users.accounts.schemas import UserCreate, UserPage, UserRead, UserUpdate
from app.users.accounts.service import AccountChange
from app.users.authenticated_route import AuthenticatedRoute
from app.users.dependencies import AdminUser, CurrentUser, DeviceDep, SignedIn
from app.users.errors import EmailTaken, RecentSignInRequired, SignUpClosed, WrongPassword

router = PrefixRouter(prefix="/users", tags=["users"], route_class=AuthenticatedRoute)


@router.post(
    "",
    status_code=201,
    summary="Sign up",
    responses=problems(EmailTaken, SignUpClosed, TooManyRequests),
)
async def create_user(
    body: UserCreate, sign_up: SignUpDep, device: DeviceDep, request: Request, response: Response
) -> UserRead:
    """Create an account with an e-mail address and a password of 8 to 1024 characters.

    The address is case-insensitive. The password must differ from it and from the part before its `@`.
    """
    user = await sign_up.create_account(body.email, body.password, body.invitation_code, device.address)
    response.headers["Location"] = public_path(request, "/v1/users/me")
    return UserRead.of(user, [])


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
    return UserPage(items=await _with_providers(users, rows), next_cursor=next_cursor)


@router.get(
    "/me",
    summary="Get your account",
    response_model=UserRead,
    responses=NOT_MODIFIED,
)
async def read_me(request: Request, user: CurrentUser, users: UsersReader) -> Response:
    """Return the account of the access token or API key."""
    (read,) = await _with_providers(users, [user])
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
    change = AccountChange(body.email, body.password, body.current_password, body.keep_api_keys)
    changed = await accounts.change(principal, user, change)
    (read,) = await _with_providers(users, [changed])
    return read


async def _with_providers(users: UserRepository, rows: Sequence[User]) -> list[UserRead]:
    """Return the accounts as response bodies, with the names of the linked identity providers."""
    providers = await users.list_providers([user.id for user in rows])
    return [UserRead.of(user, providers[user.id]) for user in rows]
