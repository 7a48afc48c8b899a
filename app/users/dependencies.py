"""Dependencies for the caller and the permissions. No check holds a connection afterwards."""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import OAuth2PasswordBearer
from fastapi.security.utils import get_authorization_scheme_param

from app.authz import policy
from app.authz.principal import Viewer
from app.core.callers import current_caller
from app.core.errors import (
    AdminRequired,
    InsufficientScope,
    InvalidToken,
    RecentSignInRequired,
    SignInRequired,
    Unauthenticated,
)
from app.http.container import services_of
from app.http.dependencies import ReaderDep, ServicesDep, SessionDep
from app.http.problems import raising
from app.models import User
from app.ratelimit.rate_limiter import RateLimiter
from app.users.accounts.repository import UserRepository
from app.users.accounts.service import Accounts
from app.users.api_keys.repository import ApiKeyRepository
from app.users.api_keys.service import ApiKeys
from app.users.authentication import authenticate
from app.users.sessions.reauthentication import Proof
from app.users.sessions.repository import Device, UserSessionRepository
from app.users.sessions.service import SignIn

MAX_USER_AGENT = 256

# Documents the scheme and gives the Authorize button its address; the header is read in `settle_viewer`.
_bearer = OAuth2PasswordBearer(
    tokenUrl="/v1/auth/token",
    refreshUrl="/v1/auth/token",
    auto_error=False,
    description="Sign in with a password. The username is your e-mail address.",
)


async def settle_viewer(request: Request) -> Viewer:
    """Return the caller, authenticated at most once per request. No credentials mean anonymous; invalid ones raise."""
    viewer: Viewer | None = getattr(request.state, "viewer", None)
    if viewer is None:
        viewer = await _viewer(request)
        request.state.viewer = viewer
    return viewer


async def _viewer(request: Request) -> Viewer:
    header = request.headers.get("authorization")
    if header is None:
        return Viewer()
    scheme, token = get_authorization_scheme_param(header)
    if scheme.lower() != "bearer":
        raise InvalidToken("The Authorization header does not contain a bearer token")
    viewer = await authenticate(services_of(request), token)
    request.state.user_id, request.state.credential_id = viewer.id, viewer.session_id or viewer.key_id
    if caller := current_caller.get():
        caller.account = viewer.id
    policy.require_scope(viewer, request.method)
    return viewer


async def settle_sight(request: Request) -> str:
    """Return the cache partition: an account, an account as admin, or empty for anonymous callers. Raises AppError."""
    if not any(name == b"authorization" for name, _ in request.scope["headers"]):
        return ""
    viewer = await settle_viewer(request)
    return "" if viewer.user is None else f"{'admin' if viewer.is_admin else 'user'} {viewer.id}"


@raising(InvalidToken, InsufficientScope)
async def get_viewer(request: Request, _scheme: Annotated[str | None, Depends(_bearer)]) -> Viewer:
    """Return the caller."""
    return await settle_viewer(request)


ViewerDep = Annotated[Viewer, Depends(get_viewer)]


@raising(Unauthenticated)
async def get_user(viewer: ViewerDep) -> User:
    """Return the account of the caller. Raises Unauthenticated."""
    return policy.require_user(viewer)


CurrentUser = Annotated[User, Depends(get_user)]


@raising(SignInRequired)
async def get_signed_in(viewer: ViewerDep, _user: CurrentUser) -> Viewer:
    """Return who asks, in a session and not by an API key. Raises Unauthenticated, SignInRequired."""
    policy.require_sign_in(viewer)
    return viewer


@raising(AdminRequired)
async def get_admin(viewer: ViewerDep, _user: CurrentUser) -> User:
    """Return the admin that asks. Raises Unauthenticated, AdminRequired."""
    return policy.require_admin(viewer)


@raising(RecentSignInRequired)
async def get_recently_signed_in(viewer: Annotated[Viewer, Depends(get_signed_in)], services: ServicesDep) -> Viewer:
    """Return who asks, in a session of the last ten minutes. Raises Unauthenticated, RecentSignInRequired."""
    await Proof(services).require_recent_sign_in(viewer)
    return viewer


SignedIn = Annotated[Viewer, Depends(get_signed_in)]
RecentlySignedIn = Annotated[Viewer, Depends(get_recently_signed_in)]
AdminUser = Annotated[User, Depends(get_admin)]


async def get_device(request: Request) -> Device:
    """Return where the request comes from; behind configured proxies the middleware has put the client's address."""
    user_agent = request.headers.get("user-agent", "")[:MAX_USER_AGENT]
    printable = "".join(char for char in user_agent if char.isprintable())
    return Device(request.client.host if request.client else None, printable or None)


DeviceDep = Annotated[Device, Depends(get_device)]


async def get_users_reader(session: ReaderDep) -> UserRepository:
    """Return the repository of accounts for a request that only reads."""
    return UserRepository(session)


async def get_sessions(session: SessionDep) -> UserSessionRepository:
    """Return the repository of sessions on the request's unit of work."""
    return UserSessionRepository(session)


async def get_sessions_reader(session: ReaderDep) -> UserSessionRepository:
    """Return the repository of sessions for a request that only reads."""
    return UserSessionRepository(session)


async def get_api_keys(session: SessionDep) -> ApiKeyRepository:
    """Return the repository of API keys on the request's unit of work."""
    return ApiKeyRepository(session)


async def get_api_keys_reader(session: ReaderDep) -> ApiKeyRepository:
    """Return the repository of API keys for a request that only reads."""
    return ApiKeyRepository(session)


async def get_sign_in(services: ServicesDep) -> SignIn:
    """Return the sign-in service."""
    return SignIn(services)


async def get_accounts(services: ServicesDep) -> Accounts:
    """Return the service of accounts."""
    return Accounts(services)


async def get_api_key_service(services: ServicesDep) -> ApiKeys:
    """Return the service of API keys."""
    return ApiKeys(services)


async def get_limits(services: ServicesDep) -> RateLimiter:
    """Return the rate limits."""
    return services.limits


UsersReader = Annotated[UserRepository, Depends(get_users_reader)]
UserSessionsRepo = Annotated[UserSessionRepository, Depends(get_sessions)]
UserSessionsReader = Annotated[UserSessionRepository, Depends(get_sessions_reader)]
ApiKeysRepo = Annotated[ApiKeyRepository, Depends(get_api_keys)]
ApiKeysReader = Annotated[ApiKeyRepository, Depends(get_api_keys_reader)]
SignInDep = Annotated[SignIn, Depends(get_sign_in)]
LimitsDep = Annotated[RateLimiter, Depends(get_limits)]
ApiKeysDep = Annotated[ApiKeys, Depends(get_api_key_service)]
AccountsDep = Annotated[Accounts, Depends(get_accounts)]
