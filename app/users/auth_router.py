from typing import Annotated, Literal

from fastapi import APIRouter, Form, Response

from app.core.errors import (
    InvalidCredentials,
    InvalidToken,
    TooManyRequests,
    ValidationFailed,
)
from app.core.text import Text
from app.http.problems import problems
from app.users.dependencies import DeviceDep, SessionsRepo, SignedIn, SignInDep
from app.users.guarded_route import GuardedRoute
from app.users.schemas import CurrentPassword, TokenRead

router = APIRouter(prefix="/auth", tags=["auth"], route_class=GuardedRoute)


@router.post(
    "/token",
    summary="Get tokens for a password or a refresh token",
    responses=problems(InvalidCredentials, InvalidToken, TooManyRequests),
)
async def issue_token(
    sign_in: SignInDep,
    device: DeviceDep,
    response: Response,
    grant_type: Annotated[Literal["password", "refresh_token"], Form(examples=["password"])],
    username: Annotated[
        Text | None, Form(description="E-mail address (password grant)", max_length=320, examples=["ada@example.com"])
    ] = None,
    password: Annotated[CurrentPassword | None, Form(examples=["correct horse battery staple"])] = None,
    refresh_token: Annotated[Text | None, Form(max_length=1024)] = None,
) -> TokenRead:
    """Answer an OAuth 2 password or refresh_token grant.

    A refresh token is good for one use: used again it ends its session, but for a race within ten seconds.
    """
    response.headers["Cache-Control"] = "no-store"
    if grant_type == "password":
        return await sign_in.with_password(_required("username", username), _required("password", password), device)
    return await sign_in.with_refresh_token(_required("refresh_token", refresh_token), device)


@router.post(
    "/logout",
    status_code=204,
    summary="End this session",
)
async def log_out(viewer: SignedIn, sessions: SessionsRepo) -> None:
    """End the session: its access and refresh tokens are refused at once."""
    if viewer.session_id:
        await sessions.remove(viewer.session_id)


def _required(name: str, value: str | None) -> str:
    if not value:
        raise ValidationFailed.at(["body", name], "field required by this grant", "missing")
    return value
