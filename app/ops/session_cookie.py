"""The session cookie of the operators' pages. Scripts cannot read it, and browsers send it only to `/ops`.

It contains a token of an ordinary session, which every request checks in PostgreSQL. The token has its own audience:
the API refuses it as a bearer token, and these pages refuse access tokens.
"""

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request, Response

from app.authz import policy
from app.core.errors import Forbidden, Unauthenticated
from app.http.container import container_of
from app.http.cookies import single_cookie
from app.http.dependencies import ContainerDep
from app.http.links import public_path
from app.models import User
from app.ops.operator_sessions import LIFETIME_SECONDS, OperatorSessions
from app.users.dependencies import authenticator_of
from app.users.sessions.dependencies import PasswordSignInDep

COOKIE = "imts_ops"
PATH = "/ops"
Origin = tuple[str, str, int]
LOOPBACK_HOSTS = {"localhost", "127.0.0.1", "::1"}
_DEFAULT_PORTS = {"http": 80, "https": 443}


async def get_operator_sessions(container: ContainerDep, password_sign_in: PasswordSignInDep) -> OperatorSessions:
    authenticator = authenticator_of(container)
    return OperatorSessions(container.database, container.access_tokens, password_sign_in, authenticator)


OperatorSessionsDep = Annotated[OperatorSessions, Depends(get_operator_sessions)]


def set_cookie(response: Response, request: Request, token: str) -> None:
    """Set the cookie. It is `Secure` if the service or its proxy uses TLS."""
    response.set_cookie(
        COOKIE,
        token,
        max_age=LIFETIME_SECONDS,
        path=public_path(request, PATH),
        secure="https" in (request.url.scheme, urlsplit(container_of(request).settings.public_url).scheme),
        httponly=True,
        samesite="strict",
    )


async def get_operator(request: Request, sessions: OperatorSessionsDep) -> User:
    """Return the admin that the cookie authenticates. Raises Unauthenticated, InvalidToken, AdminRequired."""
    token = single_cookie(request, COOKIE)
    if token is None:
        raise Unauthenticated
    principal = await sessions.authenticate(token)
    request.state.user_id, request.state.credential_id = principal.id, principal.session_id
    return policy.require_admin(principal)


def require_same_origin(request: Request) -> None:
    """Refuse a form of another site. Raises Forbidden.

    SameSite keeps the cookie out of cross-site requests. This check keeps them from setting one (login CSRF). The
    origin is compared with PUBLIC_URL, including the scheme, because the client chooses the `Host` header.
    """
    given = request.headers.getlist("origin")
    accepted = {_origin(container_of(request).settings.public_url), *_own_loopback_origin(request)}
    if len(given) != 1 or _origin(given[0]) not in accepted - {None}:
        raise Forbidden("The form was sent from another site, or PUBLIC_URL is not the address of this site")


def _own_loopback_origin(request: Request) -> list[Origin | None]:
    """Return the request's own origin if PUBLIC_URL is a loopback address, as in development.

    The service may then have another port or another name of the loopback interface.
    """
    public, own = _origin(container_of(request).settings.public_url), _origin(str(request.url))
    is_local = public is not None and own is not None and {public[1], own[1]} <= LOOPBACK_HOSTS
    return [own] if is_local else []


def _origin(url: str) -> Origin | None:
    """Return scheme, host and port of a URL (RFC 6454); None for an invalid one."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or parts.username is not None:
        return None
    return parts.scheme, parts.hostname, port or _DEFAULT_PORTS[parts.scheme]


Operator = Annotated[User, Depends(get_operator)]
