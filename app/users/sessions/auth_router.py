"""Endpoints to get tokens and to end the session of the access token."""

from typing import Annotated, Literal

from fastapi import Form, Request, Response
from starlette.datastructures import FormData

from app.core.errors import InvalidToken, TooManyRequests
from app.core.text.normalization import Text
from app.http.prefix_router import PrefixRouter
from app.http.problems import problems
from app.users.accounts.field_types import CurrentPassword
from app.users.authenticated_route import AuthenticatedRoute
from app.users.dependencies import DeviceDep, SignedIn
from app.users.errors import InvalidCredentials, InvalidTokenRequest, UnsupportedGrantType
from app.users.sessions.dependencies import PasswordSignInDep, SessionRefreshDep, UserSessionsRepo
from app.users.sessions.schemas import TokenRead
from app.users.sessions.token_route import TokenRoute

router = PrefixRouter(prefix="/auth", tags=["auth"], route_class=AuthenticatedRoute)
token_router = PrefixRouter(prefix="/auth", tags=["auth"], route_class=TokenRoute)

_PARAMETERS = ("grant_type", "username", "password", "refresh_token")


@token_router.post(
    "/token",
    summary="Get tokens",
    responses=problems(InvalidTokenRequest, UnsupportedGrantType, InvalidCredentials, InvalidToken, TooManyRequests),
)
async def issue_token(
    request: Request,
    password_sign_in: PasswordSignInDep,
    session_refresh: SessionRefreshDep,
    device: DeviceDep,
    response: Response,
    grant_type: Annotated[Literal["password", "refresh_token"], Form(examples=["password"])],
    username: Annotated[
        Text | None, Form(description="E-mail address (password grant)", max_length=320, examples=["ada@example.com"])
    ] = None,
    password: Annotated[CurrentPassword | None, Form(examples=["correct horse battery staple"])] = None,
    refresh_token: Annotated[Text | None, Form(max_length=1024)] = None,
) -> TokenRead:
    """Issue tokens for an OAuth 2 `password` or `refresh_token` grant.

    A refresh token is valid once. A second use ends its session. The exception is the previous token within ten seconds
    of its first use: that request is refused, and the session continues.

    Every error has the members `error` and `error_description` of RFC 6749, 5.2. `error` is `invalid_grant` for wrong
    credentials, `invalid_request` for a missing, repeated or malformed parameter, `unsupported_grant_type`, or
    `temporarily_unavailable`.
    """
    _refuse_repeated(await request.form())
    response.headers["Cache-Control"] = "no-store"
    if grant_type == "password":
        email, password = _require("username", username), _require("password", password)
        tokens = await password_sign_in.sign_in(email, password, device)
    else:
        tokens = await session_refresh.refresh(_require("refresh_token", refresh_token), device)
    return TokenRead.model_validate(tokens, from_attributes=True)


@router.post(
    "/logout",
    status_code=204,
    summary="End this session",
)
async def log_out(principal: SignedIn, sessions: UserSessionsRepo) -> None:
    """End the session of the access token. Its access and refresh tokens are refused at once."""
    if principal.session_id:
        await sessions.remove(principal.session_id)


def _require(name: str, value: str | None) -> str:
    if not value:
        raise InvalidTokenRequest(f"The parameter `{name}` is required by this grant.")
    return value


def _refuse_repeated(form: FormData) -> None:
    for name in _PARAMETERS:
        if len(form.getlist(name)) > 1:
            raise InvalidTokenRequest(f"The parameter `{name}` must not be repeated.")
