"""The pages that open and end sessions, and the access token of the scripts."""

from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from pydantic import BaseModel, TypeAdapter, ValidationError

from app.authz.principal import Principal
from app.core.errors import AppError
from app.core.security import AccessClaims
from app.core.text.normalization import Text
from app.gallery.gallery_cookie import (
    COOKIE,
    GallerySessionsDep,
    Viewer,
    delete_session_cookie,
    require_csrf_token,
    set_session_cookie,
)
from app.gallery.page_rendering import GalleryRoute, redirect, refusal, show_page
from app.http.container import container_of
from app.http.cookies import single_cookie
from app.http.dependencies import ContainerDep
from app.http.requests.same_origin import require_same_origin
from app.users.account_mail.dependencies import LinkMailerDep
from app.users.accounts.dependencies import SignUpDep
from app.users.accounts.field_types import CurrentPassword, Email, NewPassword
from app.users.dependencies import DeviceDep
from app.users.social.dependencies import providers_of

MAX_PATH = 2048
_EMAIL: TypeAdapter[str] = TypeAdapter(Email)
_PASSWORD: TypeAdapter[str] = TypeAdapter(NewPassword)
_EmailField = Annotated[Text, Form(max_length=320)]
_NextPath = Annotated[Text, Form(alias="next", max_length=MAX_PATH)]

pages = APIRouter(include_in_schema=False, route_class=GalleryRoute)
scripts = APIRouter(include_in_schema=False)


class ScriptToken(BaseModel):
    """An access token for the scripts of a page; `expires_in` is in seconds."""

    access_token: str
    expires_in: int


@pages.get("/sign-in")
async def show_sign_in(
    request: Request, viewer: Viewer, next_path: Annotated[Text, Query(alias="next", max_length=MAX_PATH)] = "/"
) -> Response:
    """Show the sign-in form."""
    ended = "Your session has ended. Sign in again." if getattr(request.state, "has_ended", False) else None
    return _sign_in_form(request, viewer, notice=ended, next_path=next_path)


@pages.post("/sign-in", dependencies=[Depends(require_same_origin)])
async def sign_in(
    request: Request,
    container: ContainerDep,
    sessions: GallerySessionsDep,
    device: DeviceDep,
    email: _EmailField,
    password: Annotated[CurrentPassword, Form()],
    next_path: _NextPath = "/",
) -> Response:
    """Open a session and redirect to the page that asked for it; otherwise show the form again with the reason."""
    try:
        _principal, token = await sessions.sign_in(email, password, device)
    except AppError as error:
        return show_refused_sign_in(request, error, next_path, email)
    response = redirect(request, local_path(next_path))
    set_session_cookie(response, request, token, container.settings.refresh_token_seconds)
    return response


@pages.get("/sign-up")
async def show_sign_up(request: Request, viewer: Viewer) -> Response:
    """Show the sign-up form, or the reason why there is none."""
    return _sign_up_form(request, viewer)


@pages.post("/sign-up", dependencies=[Depends(require_same_origin)])
async def sign_up(
    request: Request,
    container: ContainerDep,
    sessions: GallerySessionsDep,
    accounts: SignUpDep,
    device: DeviceDep,
    email: _EmailField,
    password: Annotated[Text, Form(max_length=MAX_PATH)],
    invitation_code: Annotated[Text, Form(max_length=200)] = "",
) -> Response:
    """Create an account and sign in to it; otherwise show the form again with the reason."""
    try:
        address, secret = _EMAIL.validate_python(email), _PASSWORD.validate_python(password)
        await accounts.create_account(address, secret, invitation_code or None, device.address)
        _principal, token = await sessions.sign_in(address, secret, device)
    except ValidationError as error:
        message = error.errors()[0]["msg"].removeprefix("Value error, ")
        return _sign_up_form(request, Principal(), status=422, notice=message, email=email)
    except AppError as error:
        return _sign_up_form(request, Principal(), **refusal(request, error), email=email)
    response = redirect(request, "/")
    set_session_cookie(response, request, token, container.settings.refresh_token_seconds)
    return response


@pages.get("/forgot-password")
async def show_forgotten_password(request: Request, viewer: Viewer, container: ContainerDep) -> Response:
    """Show the form that asks for a mail with a link. Raises MailNotConfigured."""
    container.outbox.require_configured()
    return show_page(request, "forgot_password.html", viewer, notice=None, email="")


@pages.post("/forgot-password", dependencies=[Depends(require_same_origin)])
async def request_password_reset(
    request: Request, mailer: LinkMailerDep, device: DeviceDep, email: _EmailField
) -> Response:
    """Mail a link to the account with this address, if it exists. The page is the same for every address."""
    try:
        await mailer.request_reset(email, device.address)
    except AppError as error:
        return show_page(request, "forgot_password.html", Principal(), **refusal(request, error), email=email)
    return show_page(request, "forgot_password.html", Principal(), notice=None, email=email, is_sent=True)


@pages.post("/sign-out", dependencies=[Depends(require_csrf_token)])
async def sign_out(request: Request, sessions: GallerySessionsDep) -> Response:
    """End the session, and delete its cookie."""
    await sessions.end(single_cookie(request, COOKIE))
    response = redirect(request, "/")
    delete_session_cookie(response, request)
    return response


@scripts.post("/session/token")
async def issue_script_token(
    response: Response, claims: Annotated[AccessClaims, Depends(require_csrf_token)], container: ContainerDep
) -> ScriptToken:
    """Return a short-lived access token of the session, with which the scripts call the API."""
    response.headers["Cache-Control"] = "no-store"
    tokens = container.access_tokens
    return ScriptToken(access_token=tokens.issue(claims), expires_in=tokens.lifetime)


def show_refused_sign_in(request: Request, error: AppError, next_path: str, email: str = "") -> Response:
    """Return the sign-in form with the reason of a refusal."""
    return _sign_in_form(request, Principal(), **refusal(request, error), email=email, next_path=next_path)


def local_path(text: str) -> str:
    """Return a path of this site; the start page for everything else, such as another site or `//host`."""
    parts = urlsplit(text.replace("\\", "/"))
    is_local = not parts.scheme and not parts.netloc and parts.path.startswith("/") and not parts.path.startswith("//")
    return text if is_local and "\\" not in text else "/"


def _sign_in_form(request: Request, viewer: Principal, **values: Any) -> Response:
    options = {
        "providers": providers_of(request).names,
        "sends_mail": container_of(request).settings.smtp_url is not None,
    }
    return show_page(request, "sign_in.html", viewer, **{"email": "", **options, **values})


def _sign_up_form(request: Request, viewer: Principal, **values: Any) -> Response:
    mode = container_of(request).settings.sign_up
    providers = providers_of(request).names if mode == "open" else []
    options = {"providers": providers, "mode": mode, "next_path": "/", "notice": None, "email": ""}
    return show_page(request, "sign_up.html", viewer, **{**options, **values})
