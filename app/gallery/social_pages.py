"""Social sign-in with a browser. It ends in the cookie of the gallery instead of tokens.

The flow is that of the API, with its state, nonce and PKCE. A cookie of this flow identifies the browser and has the
page to return to.
"""

from typing import Annotated
from urllib.parse import quote, unquote

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse

from app.authz.principal import Principal
from app.core.errors import AppError
from app.core.text.normalization import Text
from app.gallery.account_page import ACCOUNT
from app.gallery.gallery_cookie import (
    COOKIE,
    GallerySessionsDep,
    Member,
    Viewer,
    require_csrf_token,
    set_session_cookie,
)
from app.gallery.page_rendering import GalleryRoute, redirect
from app.gallery.sign_in_pages import MAX_PATH, local_path, show_refused_sign_in
from app.http.cookies import is_https, single_cookie
from app.http.dependencies import ContainerDep
from app.http.links import public_path
from app.users.dependencies import DeviceDep
from app.users.social.dependencies import SocialLoginCompletionDep, SocialLoginStartDep
from app.users.social.router import ProviderName
from app.users.social.schemas import AuthorizeRead
from app.users.social.service import FLOW_SECONDS, AuthorizationCallback

FLOW_COOKIE = "imts_gallery_flow"
# A browser drops a cookie of more than 4,096 bytes.
MAX_COOKIE_PATH = 3000
_Parameter = Annotated[Text | None, Query(max_length=4096)]

pages = APIRouter(include_in_schema=False, route_class=GalleryRoute)
scripts = APIRouter(include_in_schema=False)


@pages.get("/sign-in/{provider}")
async def start_social_sign_in(
    request: Request,
    provider: ProviderName,
    device: DeviceDep,
    login: SocialLoginStartDep,
    next_path: Annotated[Text, Query(alias="next", max_length=MAX_PATH)] = "/",
) -> Response:
    """Redirect to the sign-in page of an identity provider."""
    browser, _ = _read_flow(request)
    try:
        # Anonymous: a link of another site must not link an identity to the account of the cookie.
        started = await login.start(provider, Principal(), device, browser, of_page=True)
    except AppError as error:
        return show_refused_sign_in(request, error, next_path)
    response = RedirectResponse(started.url, 303, {"Cache-Control": "no-store"})
    _set_flow(response, request, started.browser, next_path)
    return response


async def get_callback(
    request: Request, state: _Parameter = None, code: _Parameter = None, iss: _Parameter = None
) -> AuthorizationCallback:
    """Return the parameters of the provider, with the token of the browser."""
    browser, _ = _read_flow(request)
    return AuthorizationCallback(state, code, iss, browser)


@pages.get("/sign-in/{provider}/callback")
async def finish_social_sign_in(
    request: Request,
    provider: ProviderName,
    viewer: Viewer,
    device: DeviceDep,
    container: ContainerDep,
    login: SocialLoginCompletionDep,
    sessions: GallerySessionsDep,
    callback: Annotated[AuthorizationCallback, Depends(get_callback)],
) -> Response:
    """Open a session, which replaces the one of the browser, and redirect to the page that asked for it."""
    _, next_path = _read_flow(request)
    try:
        tokens = await login.complete(provider, callback, device)
    except AppError as error:
        if viewer.user is not None:
            raise
        return show_refused_sign_in(request, error, next_path)
    await sessions.end(single_cookie(request, COOKIE))
    response = redirect(request, local_path(next_path))
    set_session_cookie(response, request, sessions.convert(tokens), container.settings.refresh_token_seconds)
    return response


@scripts.post("/account/identities/{provider}", dependencies=[Depends(require_csrf_token)])
async def start_linking(
    request: Request,
    response: Response,
    provider: ProviderName,
    member: Member,
    device: DeviceDep,
    login: SocialLoginStartDep,
) -> AuthorizeRead:
    """Return the URL of the provider at which the identity is chosen that is linked to the account."""
    browser, _ = _read_flow(request)
    started = await login.start(provider, member, device, browser, of_page=True)
    response.headers["Cache-Control"] = "no-store"
    _set_flow(response, request, started.browser, ACCOUNT)
    return AuthorizeRead(authorize_url=started.url)


def _read_flow(request: Request) -> tuple[str | None, str]:
    """Return the token of the browser, if it has one, and the page to return to."""
    browser, _, next_path = (single_cookie(request, FLOW_COOKIE) or "").partition(".")
    return browser or None, unquote(next_path) or "/"


def _set_flow(response: Response, request: Request, browser: str, next_path: str) -> None:
    path = quote(next_path, safe="")
    response.set_cookie(
        FLOW_COOKIE,
        f"{browser}.{path if len(path) <= MAX_COOKIE_PATH else ''}",
        max_age=FLOW_SECONDS,
        path=public_path(request, "/"),
        secure=is_https(request),
        httponly=True,
        samesite="lax",
    )
