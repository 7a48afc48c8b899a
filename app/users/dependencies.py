"""Dependencies for the caller and the permissions. No check holds a connection afterwards."""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import OAuth2PasswordBearer
from fastapi.security.base import SecurityBase
from fastapi.security.utils import get_authorization_scheme_param

from app.audit.audit_log import AuditAuthor, AuditLog, author_of
from app.authz import policy
from app.authz.principal import Principal
from app.core.callers import current_caller
from app.core.errors import AdminRequired, InsufficientScope, InvalidToken, SignInRequired, Unauthenticated
from app.http.container import Container, container_of
from app.http.dependencies import ContainerDep
from app.http.problems import raising
from app.models import User
from app.users.authentication import Authenticator
from app.users.errors import RecentSignInRequired
from app.users.sessions.reauthentication import Reauthentication
from app.users.sessions.repository import Device

MAX_USER_AGENT = 256

_BEARER = OAuth2PasswordBearer(
    tokenUrl="/v1/auth/token",
    refreshUrl="/v1/auth/token",
    auto_error=False,
    description="Sign in with a password. The username is your e-mail address.",
)


def authenticator_of(container: Container) -> Authenticator:
    return Authenticator(container.database, container.access_tokens)


async def get_principal(request: Request) -> Principal:
    """Return the caller, authenticated at most once per request. No credentials mean anonymous; invalid ones raise."""
    # Not `request.state`, which raises an exception inside for a missing attribute.
    state = request.scope["state"]
    principal: Principal | None = state.get("principal")
    if principal is None:
        principal = state["principal"] = await _authenticate(request)
    return principal


async def _authenticate(request: Request) -> Principal:
    header = request.headers.get("authorization")
    if header is None:
        return Principal()
    scheme, token = get_authorization_scheme_param(header)
    if scheme.lower() != "bearer":
        raise InvalidToken("The Authorization header does not contain a bearer token")
    principal = await authenticator_of(container_of(request)).authenticate(token)
    record_caller(request, principal)
    policy.require_scope(principal, request.method, request.scope.get("endpoint"))
    return principal


def record_caller(request: Request, principal: Principal) -> None:
    """Record the account and the credential for the request log, the queues and the history."""
    credential = principal.session_id or principal.key_id
    request.state.user_id, request.state.credential_id = principal.id, credential
    if caller := current_caller.get():
        caller.account, caller.credential = principal.id, credential


async def cache_partition_key(request: Request) -> str:
    """Return the cache partition: an account, an account as admin, or empty for anonymous callers. Raises AppError."""
    if not any(name == b"authorization" for name, _ in request.scope["headers"]):
        return ""
    principal = await get_principal(request)
    return "" if principal.user is None else f"{'admin' if principal.is_admin else 'user'} {principal.id}"


@raising(InvalidToken, InsufficientScope)
class PrincipalScheme(SecurityBase):
    """The security scheme of the OpenAPI document. As a dependency, it returns the caller.

    FastAPI takes 0.1 ms for each dependency of an endpoint, so the scheme is not a dependency of its own.
    """

    model = _BEARER.model
    scheme_name = _BEARER.scheme_name

    async def __call__(self, request: Request) -> Principal:
        """Return the caller."""
        return await get_principal(request)


require_valid_credentials = PrincipalScheme()
PrincipalDep = Annotated[Principal, Depends(require_valid_credentials)]


@raising(Unauthenticated)
async def get_user(principal: PrincipalDep) -> User:
    """Return the account of the caller. Raises Unauthenticated."""
    return policy.require_user(principal)


async def get_audit_log(request: Request, principal: PrincipalDep, container: ContainerDep) -> AuditLog:
    """Return the audit log of the caller."""
    return AuditLog(author_of(principal, request.state.request_id), container.recorder.audit.add)


async def get_sign_up_audit_log(request: Request, container: ContainerDep) -> AuditLog:
    """Return the audit log of a sign-up, which looks at no credentials."""
    return AuditLog(AuditAuthor(None, "invitation", request.state.request_id), container.recorder.audit.add)


AuditLogDep = Annotated[AuditLog, Depends(get_audit_log)]
SignUpAuditLogDep = Annotated[AuditLog, Depends(get_sign_up_audit_log)]
CurrentUser = Annotated[User, Depends(get_user)]


@raising(SignInRequired)
async def get_signed_in(principal: PrincipalDep, _user: CurrentUser) -> Principal:
    """Return the caller if it uses a session. Raises Unauthenticated; SignInRequired for an API key."""
    policy.require_sign_in(principal)
    return principal


@raising(AdminRequired)
async def get_admin(principal: PrincipalDep, _user: CurrentUser) -> User:
    """Return the account of an admin. Raises Unauthenticated, AdminRequired."""
    return policy.require_admin(principal)


async def get_reauthentication(container: ContainerDep) -> Reauthentication:
    login_limits = container.settings.login_limits
    return Reauthentication(container.database, container.limits, login_limits, container.passwords)


ReauthenticationDep = Annotated[Reauthentication, Depends(get_reauthentication)]


@raising(RecentSignInRequired)
async def get_recently_signed_in(
    principal: Annotated[Principal, Depends(get_signed_in)], reauthentication: ReauthenticationDep
) -> Principal:
    """Return the caller if its session is at most ten minutes old. Raises Unauthenticated, RecentSignInRequired."""
    await reauthentication.require_recent_sign_in(principal)
    return principal


SignedIn = Annotated[Principal, Depends(get_signed_in)]
RecentlySignedIn = Annotated[Principal, Depends(get_recently_signed_in)]
AdminUser = Annotated[User, Depends(get_admin)]


async def get_device(request: Request) -> Device:
    """Return the client's address and user agent. Behind a trusted proxy, the middleware has set the address."""
    user_agent = request.headers.get("user-agent", "")[:MAX_USER_AGENT]
    printable = "".join(char for char in user_agent if char.isprintable())
    return Device(request.client.host if request.client else None, printable or None)


DeviceDep = Annotated[Device, Depends(get_device)]
