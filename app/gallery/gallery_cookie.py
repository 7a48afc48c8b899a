"""The session cookie of the gallery, and the tokens that its changes require.

The cookie contains a token of an ordinary session with an audience of its own: the API refuses it as a bearer token.
Scripts cannot read it. `SameSite=Lax` sends it with links from other sites, so every change also requires a CSRF token,
which is the signed id of the session (OWASP, "Cross-Site Request Forgery Prevention", HMAC based token pattern).
"""

import uuid
from collections.abc import Sequence
from typing import Annotated

from fastapi import Depends, Form, Header, Request, Response

from app.authz.principal import Principal
from app.core.errors import Forbidden, InvalidToken, Unauthenticated
from app.core.security import AccessClaims, Audience
from app.core.signing import Purpose, create_signer
from app.http.container import Container
from app.http.cookies import is_https, single_cookie
from app.http.dependencies import ContainerDep
from app.http.links import public_path
from app.users.dependencies import record_caller
from app.users.sessions.browser_sessions import BrowserSessions
from app.users.sessions.dependencies import PasswordSignInDep, browser_sessions_of

COOKIE = "imts_gallery"
MAX_CSRF_LENGTH = 128


class CsrfTokens:
    """Makes and checks CSRF tokens. Each is valid for one session."""

    def __init__(self, secret: str, previous: Sequence[str] = ()) -> None:
        self._signer = create_signer(Purpose.CSRF_TOKEN, secret, previous)

    def issue(self, session_id: uuid.UUID) -> str:
        """Return the token of the session."""
        return self._signer.get_signature(session_id.hex).decode()

    def is_valid(self, token: str, session_id: uuid.UUID) -> bool:
        """Return whether this is the token of the session, also one of a previous secret."""
        return token.isascii() and self._signer.verify_signature(session_id.hex, token)


def csrf_tokens_of(container: Container) -> CsrfTokens:
    """Build the CSRF tokens from the settings."""
    settings = container.settings
    return CsrfTokens(settings.jwt_secret.get_secret_value(), settings.previous_secrets)


async def get_gallery_sessions(container: ContainerDep, password_sign_in: PasswordSignInDep) -> BrowserSessions:
    lifetime = container.settings.refresh_token_seconds
    return browser_sessions_of(container, password_sign_in, Audience.GALLERY, lifetime)


GallerySessionsDep = Annotated[BrowserSessions, Depends(get_gallery_sessions)]


def set_session_cookie(response: Response, request: Request, token: str, lifetime: int) -> None:
    """Set the cookie for `lifetime` seconds. It is `Secure` if the service or its proxy uses TLS."""
    response.set_cookie(
        COOKIE,
        token,
        max_age=lifetime,
        path=public_path(request, "/"),
        secure=is_https(request),
        httponly=True,
        samesite="lax",
    )


def delete_session_cookie(response: Response, request: Request) -> None:
    """Delete the cookie."""
    response.delete_cookie(COOKIE, path=public_path(request, "/"))


async def get_viewer(request: Request, sessions: GallerySessionsDep) -> Principal:
    """Return the caller of the cookie; an anonymous one without a cookie or after the end of its session."""
    token = single_cookie(request, COOKIE)
    if token is None:
        return Principal()
    try:
        principal = await sessions.authenticate(token)
    except InvalidToken:
        request.state.has_ended = True
        return Principal()
    record_caller(request, principal)
    # The page of an error also shows the account.
    request.state.viewer = principal
    return principal


Viewer = Annotated[Principal, Depends(get_viewer)]


async def get_member(viewer: Viewer) -> Principal:
    """Return the signed-in caller. Raises Unauthenticated, which shows the sign-in page."""
    if viewer.user is None:
        raise Unauthenticated
    return viewer


Member = Annotated[Principal, Depends(get_member)]


async def require_csrf_token(
    member: Member,
    container: ContainerDep,
    csrf_token: Annotated[str, Form(max_length=MAX_CSRF_LENGTH)] = "",
    x_csrf_token: Annotated[str, Header(max_length=MAX_CSRF_LENGTH)] = "",
) -> AccessClaims:
    """Return the account and the session of a change.

    Raises Forbidden without the token of the session, in the form or in `X-CSRF-Token`.
    """
    given = csrf_token or x_csrf_token
    user, session_id = member.user, member.session_id
    if user is None or session_id is None or not csrf_tokens_of(container).is_valid(given, session_id):
        raise Forbidden("The page is out of date, or the request was sent from another site. Reload the page.")
    return AccessClaims(user.id, session_id)
