"""The session cookie of the operators' pages. Scripts cannot read it, and browsers send it only to `/ops`.

It contains a token of an ordinary session, which every request checks in PostgreSQL. A session that ends elsewhere ends
here, too. The token has its own audience: the API refuses it as a bearer token, and these pages refuse access tokens.
"""

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request, Response

from app.authz import policy
from app.authz.principal import Principal
from app.core.errors import AdminRequired, Forbidden, InvalidToken, Unauthenticated
from app.core.security import Audience
from app.http.container import Container, container_of
from app.http.cookies import single_cookie
from app.http.dependencies import ContainerDep
from app.http.links import public_path
from app.models import User
from app.users.authentication import authenticate_session
from app.users.sessions.repository import Device, UserSessionRepository
from app.users.sessions.service import SignIn

COOKIE = "imts_ops"
PATH = "/ops"
# One shift: an incident needs no second login, and an unattended screen loses access overnight.
LIFETIME_SECONDS = 12 * 3600
Origin = tuple[str, str, int]
LOOPBACK_HOSTS = {"localhost", "127.0.0.1", "::1"}
_DEFAULT_PORTS = {"http": 80, "https": 443}


async def sign_in(container: Container, email: str, password: str, device: Device) -> str:
    """Open a session and return the token for the cookie.

    Raises InvalidCredentials, TooManyRequests. Raises AdminRequired, and ends the session, unless the account is an
    admin.
    """
    answer = await SignIn(container).with_password(email, password, device)
    claims = container.access_tokens.read(answer.access_token)
    principal = await authenticate_session(container, answer.access_token, Audience.API)
    if not principal.is_admin:
        await _end(container, principal)
        raise AdminRequired("The account is not an admin. Run `python -m app create-admin --existing` to promote it.")
    return container.access_tokens.issue(claims, audience=Audience.OPS, lifetime=LIFETIME_SECONDS)


async def sign_out(container: Container, token: str | None) -> None:
    """End the session of the cookie, if there is one."""
    try:
        principal = await authenticate_session(container, token or "", Audience.OPS)
    except InvalidToken:
        return
    await _end(container, principal)


async def _end(container: Container, principal: Principal) -> None:
    if principal.session_id:
        async with container.database.unit_of_work() as session:
            await UserSessionRepository(session).remove(principal.session_id)


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


async def get_operator(request: Request, container: ContainerDep) -> User:
    """Return the admin that the cookie authenticates. Raises Unauthenticated, InvalidToken, AdminRequired."""
    token = single_cookie(request, COOKIE)
    if token is None:
        raise Unauthenticated
    principal = await authenticate_session(container, token, Audience.OPS)
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
