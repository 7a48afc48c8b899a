"""GitHub's flavour of OAuth 2, against a server that answers as GitHub does."""

import secrets
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from app.core.identity_providers import IdentityProvider
from app.core.settings import Settings
from tests.support.server import running_service, serving

pytestmark = pytest.mark.integration


class GitHubServer:
    """The endpoints of GitHub in use: authorize, access_token (200 also for errors), /user and /user/emails."""

    def __init__(self) -> None:
        self.user: Any = {"id": 583231, "login": "octocat"}
        self.emails: Any = [
            {"email": "other@example.com", "primary": False, "verified": True},
            {"email": "octocat@example.com", "primary": True, "verified": True},
        ]
        self.token_error: dict[str, Any] | None = None
        self.app = Starlette(
            routes=[
                Route("/login/oauth/authorize", self._authorize),
                Route("/login/oauth/access_token", self._token, methods=["POST"]),
                Route("/user", self._user),
                Route("/user/emails", self._emails),
            ]
        )

    async def _authorize(self, request: Request) -> Response:
        assert request.query_params["code_challenge_method"] == "S256"
        query = {"code": "the code", "state": request.query_params["state"]}
        return RedirectResponse(f"{request.query_params['redirect_uri']}?{urlencode(query)}", 302)

    async def _token(self, request: Request) -> Response:
        form = await request.form()
        assert (form["code"], form["client_secret"]) == ("the code", "secret")
        return JSONResponse(self.token_error or {"access_token": secrets.token_urlsafe(), "token_type": "bearer"})

    async def _user(self, request: Request) -> Response:
        assert request.headers["authorization"].startswith("Bearer ")
        return JSONResponse(self.user)

    async def _emails(self, request: Request) -> Response:
        assert request.headers["authorization"].startswith("Bearer ")
        return JSONResponse(self.emails)


@pytest.fixture
def github() -> GitHubServer:
    return GitHubServer()


@pytest.fixture
async def browser(settings: Settings, github: GitHubServer, sql: Any) -> AsyncIterator[httpx.AsyncClient]:  # noqa: ARG001
    async with serving(github.app) as url:
        provider = IdentityProvider(
            kind="github",
            issuer=url,
            api_url=url,
            client_id="id",
            client_secret=SecretStr("secret"),
            scope="user:email",
        )
        own = settings.model_copy(update={"social_providers": {"github": provider}})
        async with running_service(own) as service, httpx.AsyncClient(base_url=service.url) as browser:
            yield browser


async def sign_in(browser: httpx.AsyncClient) -> httpx.Response:
    started = await browser.get("/v1/auth/social/github")
    async with httpx.AsyncClient() as outside:
        back = await outside.get(started.headers["location"])
    return await browser.get(back.headers["location"].removeprefix("http://127.0.0.1:8000"))


async def test_a_login_at_github(browser: httpx.AsyncClient, github: GitHubServer) -> None:
    first = await sign_in(browser)
    headers = {"Authorization": f"Bearer {first.json()['access_token']}"}
    account = (await browser.get("/v1/users/me", headers=headers)).json()
    assert (account["email"], account["providers"]) == ("octocat@example.com", ["github"])
    github.emails = []
    assert (await sign_in(browser)).status_code == 200


@pytest.mark.parametrize(
    "hostile",
    [
        {"emails": [{"email": "octocat@example.com", "primary": True, "verified": False}]},
        {"emails": {"message": "Not Found"}},
        {"user": {"id": "583231"}},
        {"user": []},
        {"token_error": {"error": "bad_verification_code"}},
    ],
)
async def test_hostile_responses_of_the_provider_are_refused(
    browser: httpx.AsyncClient, github: GitHubServer, hostile: dict[str, Any]
) -> None:
    for name, value in hostile.items():
        setattr(github, name, value)
    refused = await sign_in(browser)
    assert (refused.status_code, refused.json()["type"]) == (400, "/problems/social-login-failed"), refused.text
