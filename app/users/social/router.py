"""Endpoints of the OAuth 2.0 authorization code flow with identity providers."""

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Path, Query, Request, Response
from fastapi.responses import RedirectResponse

from app.core.errors import InvalidToken, SignInRequired, TooManyRequests
from app.core.text.normalization import Text
from app.http.cookies import single_cookie
from app.http.dependencies import SettingsDep
from app.http.links import public_path
from app.http.prefix_router import PrefixRouter
from app.http.problems import problems
from app.http.requests.header_values import accepts
from app.http.requests.query_parameters import ignores_unknown_parameters
from app.users.authenticated_route import AuthenticatedRoute
from app.users.dependencies import DeviceDep, PrincipalDep
from app.users.errors import (
    IdentityProviderNotFound,
    IdentityProviderUnavailable,
    RecentSignInRequired,
    SignUpClosed,
    SocialLoginFailed,
)
from app.users.sessions.schemas import TokenRead
from app.users.social.dependencies import ProvidersDep, SocialLoginCompletionDep, SocialLoginStartDep
from app.users.social.schemas import AuthorizeRead, ProviderList, ProviderRead
from app.users.social.service import FLOW_SECONDS, PAGE_STATE, AuthorizationCallback

router = PrefixRouter(prefix="/auth/social", tags=["auth"], route_class=AuthenticatedRoute)

COOKIE = "imts_social"
_State = Annotated[Text | None, Query(max_length=4096, description="The state of the sign-in")]
_Code = Annotated[Text | None, Query(max_length=4096, description="The authorization code")]
_Issuer = Annotated[Text | None, Query(max_length=4096, description="The issuer (RFC 9207)")]
ProviderName = Annotated[Text, Path(max_length=64)]


@router.get("", summary="List the identity providers")
async def list_identity_providers(request: Request, providers: ProvidersDep) -> ProviderList:
    """Return the configured identity providers."""
    return ProviderList(
        items=[
            ProviderRead(name=name, authorize_url=public_path(request, f"/v1/auth/social/{name}"))
            for name in providers.names
        ]
    )


@router.get(
    "/{provider}",
    status_code=302,
    summary="Sign in at an identity provider",
    response_class=RedirectResponse,
    responses={
        200: {"model": AuthorizeRead, "description": "With `Accept: application/json`: the URL of the provider"},
        **problems(
            SignInRequired,
            RecentSignInRequired,
            IdentityProviderNotFound,
            TooManyRequests,
            IdentityProviderUnavailable,
        ),
    },
)
async def start_social_login(
    request: Request,
    provider: ProviderName,
    principal: PrincipalDep,
    device: DeviceDep,
    login: SocialLoginStartDep,
    settings: SettingsDep,
) -> Response:
    """Redirect the browser to the provider. If the request has an access token, the identity is linked to its account.

    To link an identity, the last sign-in must be at most ten minutes old.

    A script cannot send a token in a navigation. With `Accept: application/json`, it gets the URL and no redirect.
    """
    redirect = await login.start(provider, principal, device, single_cookie(request, COOKIE))
    response = _redirect_response(redirect.url, as_json=accepts(request, "application/json"))
    response.headers.update({"Cache-Control": "no-store", "Vary": "Accept"})
    response.set_cookie(
        COOKIE,
        redirect.browser,
        max_age=FLOW_SECONDS,
        path=public_path(request, "/v1/auth/social"),
        secure=urlsplit(settings.public_url).scheme == "https",
        httponly=True,
        samesite="lax",
    )
    return response


@router.get(
    "/{provider}/callback",
    summary="Complete a sign-in at an identity provider",
    response_model=TokenRead,
    responses={
        303: {"description": "A page of the gallery has started the sign-in, and completes it."},
        **problems(
            SocialLoginFailed, SignUpClosed, InvalidToken, IdentityProviderNotFound, IdentityProviderUnavailable
        ),
    },
)
@ignores_unknown_parameters
async def finish_social_login(
    request: Request,
    provider: ProviderName,
    device: DeviceDep,
    providers: ProvidersDep,
    login: SocialLoginCompletionDep,
    response: Response,
    state: _State = None,
    code: _Code = None,
    iss: _Issuer = None,
) -> Response | TokenRead:
    """Exchange the provider's authorization code for the tokens of a new session.

    A browser can have several independent social logins in progress, for example in several tabs.
    """
    headers = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    if state is not None and state.startswith(PAGE_STATE) and provider in providers.names:
        page = public_path(request, f"/sign-in/{provider}/callback")
        return RedirectResponse(f"{page}?{request.url.query}", 303, headers)
    callback = AuthorizationCallback(state, code, iss, single_cookie(request, COOKIE))
    tokens = await login.complete(provider, callback, device)
    response.headers.update(headers)
    return TokenRead.model_validate(tokens, from_attributes=True)


def _redirect_response(url: str, *, as_json: bool) -> Response:
    if as_json:
        return Response(AuthorizeRead(authorize_url=url).model_dump_json(), media_type="application/json")
    return RedirectResponse(url, 302)
