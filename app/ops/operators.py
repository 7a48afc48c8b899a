"""How a browser proves that an admin sits before it: a cookie that scripts cannot read and only `/ops` is sent.

It holds an access token for an ordinary session, which PostgreSQL is asked about at every request: ended anywhere, it
is ended here.
"""

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request, Response

from app.core.errors import AdminRequired, Forbidden, InvalidToken, Unauthenticated
from app.http.dependencies import ServicesDep
from app.http.state import Services, services_of
from app.models import User
from app.users import policy
from app.users.authentication import authenticate
from app.users.session_repository import Device, SessionRepository
from app.users.sign_in import SignIn
from app.users.viewer import Viewer

COOKIE = "imts_ops"
PATH = "/ops"
# A shift: nobody has to sign in while an incident lasts, and a forgotten screen goes dark overnight.
LIFETIME_SECONDS = 12 * 3600


async def sign_in(services: Services, email: str, password: str, device: Device) -> str:
    """Open a session and return the token for the cookie.

    Raises InvalidCredentials, TooManyRequests; AdminRequired when the account is no admin, and leaves no session then.
    """
    answer = await SignIn(services).with_password(email, password, device)
    claims = services.access_tokens.read(answer.access_token)
    viewer = await authenticate(services, answer.access_token)
    if not viewer.is_admin:
        await _end(services, viewer)
        raise AdminRequired(
            "This account is not an admin's. Ask one to make it so: `python -m app create-admin --existing`"
        )
    return services.access_tokens.issue(claims, LIFETIME_SECONDS)


async def sign_out(services: Services, token: str | None) -> None:
    """End the session of the cookie, if there is one."""
    try:
        viewer = await authenticate(services, token or "")
    except InvalidToken:
        return
    await _end(services, viewer)


async def _end(services: Services, viewer: Viewer) -> None:
    if viewer.session_id:
        async with services.database.unit_of_work() as session:
            await SessionRepository(session).remove(viewer.session_id)


def set_cookie(response: Response, request: Request, token: str) -> None:
    """Give the browser its token. `Secure` wherever the service is reached by TLS, here or at a proxy."""
    response.set_cookie(
        COOKIE,
        token,
        max_age=LIFETIME_SECONDS,
        path=PATH,
        secure="https" in (request.url.scheme, urlsplit(services_of(request).settings.public_url).scheme),
        httponly=True,
        samesite="strict",
    )


async def get_operator(request: Request, services: ServicesDep) -> User:
    """Return the admin whom the cookie speaks for. Raises Unauthenticated, InvalidToken, AdminRequired."""
    token = request.cookies.get(COOKIE)
    if token is None:
        raise Unauthenticated
    viewer = await authenticate(services, token)
    request.state.user_id, request.state.credential_id = viewer.id, viewer.session_id
    policy.require_sign_in(viewer)
    return policy.require_admin(viewer)


def require_same_origin(request: Request) -> None:
    """Refuse a form that another site has sent. Raises Forbidden.

    SameSite keeps foreign requests from carrying the cookie; this keeps them from setting one (login CSRF).
    """
    origin = urlsplit(request.headers.get("origin", ""))
    public = urlsplit(services_of(request).settings.public_url)
    if not origin.netloc or origin.netloc not in (request.headers.get("host"), public.netloc):
        raise Forbidden("This form was sent from another site")


Operator = Annotated[User, Depends(get_operator)]
