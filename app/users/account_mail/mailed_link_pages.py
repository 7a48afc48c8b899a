"""The pages of mailed links. A GET request changes nothing, because mail scanners also open links."""

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, select_autoescape

from app.core.errors import ValidationFailed
from app.http.container import container_of
from app.http.links import public_path
from app.users.account_mail.dependencies import LinkRedemptionDep
from app.users.accounts.password_policy import check_new_password
from app.users.errors import InvalidLink

pages = APIRouter(include_in_schema=False)

_TEMPLATE = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=select_autoescape()
).get_template("mailed_link.html")
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
    # The address of the page has the token.
    "Referrer-Policy": "no-referrer",
}
_RESET, _VERIFICATION = "Choose a new password", "Confirm your e-mail address"
_INVALID = "The link is invalid, has expired or was already used. Request a new one."
_Token = Annotated[str, Query(max_length=128)]
_TokenField = Annotated[str, Form(max_length=128)]


@pages.get("/reset-password")
async def show_reset(request: Request, token: _Token = "") -> HTMLResponse:
    """Show the form for a new password."""
    return _page(request, _RESET, token=token, button="Set the password", asks_password=True)


@pages.post("/reset-password")
async def submit_reset(
    request: Request,
    links: LinkRedemptionDep,
    token: _TokenField = "",
    password: Annotated[str, Form(max_length=4096)] = "",
) -> HTMLResponse:
    """Set the new password."""
    try:
        await links.reset_password(token, check_new_password(password))
    except InvalidLink:
        return _page(request, _RESET, _INVALID, status=400)
    except (ValueError, ValidationFailed) as error:
        reason = error.extras["errors"][0]["msg"] if isinstance(error, ValidationFailed) else str(error)
        return _page(request, _RESET, reason, token=token, button="Set the password", asks_password=True, status=422)
    return _page(request, _RESET, "The password is set. Sign in with it.")


@pages.get("/verify-email")
async def show_verification(request: Request, token: _Token = "") -> HTMLResponse:
    """Show the button that confirms the address."""
    return _page(request, _VERIFICATION, token=token, button="Confirm")


@pages.post("/verify-email")
async def submit_verification(request: Request, links: LinkRedemptionDep, token: _TokenField = "") -> HTMLResponse:
    """Confirm the address."""
    try:
        await links.verify_email(token)
    except InvalidLink:
        return _page(request, _VERIFICATION, _INVALID, status=400)
    return _page(request, _VERIFICATION, "The address is confirmed.")


def _page(
    request: Request,
    title: str,
    message: str = "",
    *,
    token: str = "",
    button: str = "",
    asks_password: bool = False,
    status: int = 200,
) -> HTMLResponse:
    html = _TEMPLATE.render(
        title=title,
        message=message,
        token=token,
        button=button,
        asks_password=asks_password,
        prefix=public_path(request, ""),
        has_gallery=container_of(request).settings.gallery,
    )
    return HTMLResponse(html, status, _HEADERS)
