"""The token endpoint and the bearer tokens, used by OAuth 2 clients that people have."""

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session as AuthlibSession
from oauthlib.oauth2 import InvalidGrantError, LegacyApplicationClient, OAuth2Error
from requests_oauthlib import OAuth2Session

from app.core.rate_limit import RateLimitSettings
from app.core.settings import Settings
from tests.support.accounts import PASSWORD, Account
from tests.support.server import RunningService, running_service

pytestmark = pytest.mark.integration

TOKEN = "/v1/auth/token"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(autouse=True)
def _plain_http(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let oauthlib send tokens without TLS, which nothing here speaks."""
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")


def with_authlib(url: str, email: str, password: str) -> Any:
    with AuthlibSession("client", "secret") as session:
        token = session.fetch_token(url + TOKEN, grant_type="password", username=email, password=password)
        assert session.get(f"{url}/v1/users/me").json()["email"] == email
        refreshed = session.refresh_token(url + TOKEN)
        assert refreshed["refresh_token"] != token["refresh_token"]
        # Used a second time: the session has ended.
        return session.refresh_token(url + TOKEN, refresh_token=token["refresh_token"])


def with_oauthlib(url: str, email: str, password: str) -> Any:
    with OAuth2Session(client=LegacyApplicationClient("client")) as session:
        token = session.fetch_token(url + TOKEN, username=email, password=password)
        assert session.get(f"{url}/v1/users/me").json()["email"] == email
        refreshed = session.refresh_token(url + TOKEN)
        assert refreshed["refresh_token"] != token["refresh_token"]
        return session.refresh_token(url + TOKEN, refresh_token=token["refresh_token"])


@pytest.mark.parametrize("run", [with_authlib, with_oauthlib])
async def test_f60_clients_sign_in_and_recognize_a_refusal(
    run: Callable[[str, str, str], Any], service: RunningService, user: Account
) -> None:
    for password in (PASSWORD, "a wrong guess"):
        with pytest.raises((OAuthError, InvalidGrantError)) as raised:
            await asyncio.to_thread(run, service.url, user.email, password)
        assert raised.value.error == "invalid_grant"


async def test_f60_clients_recognize_a_rate_limit(settings: Settings, user: Account) -> None:
    limits = RateLimitSettings(account="1/hour", address="1000/minute", total="1000/minute")
    async with running_service(settings.model_copy(update={"login_limits": limits})) as service:
        codes = []
        for run in (with_authlib, with_oauthlib):
            with pytest.raises((OAuthError, OAuth2Error)) as raised:
                await asyncio.to_thread(run, service.url, user.email, "a wrong guess")
            codes.append(raised.value.error)
    assert codes == ["invalid_grant", "temporarily_unavailable"]


@pytest.mark.parametrize(
    ("form", "status", "slug", "code"),
    [
        ({}, 400, "invalid-request", "invalid_request"),
        ({"grant_type": ""}, 400, "invalid-request", "invalid_request"),
        ({"grant_type": "password"}, 400, "invalid-request", "invalid_request"),
        ({"grant_type": "password", "username": "a@example.com"}, 400, "invalid-request", "invalid_request"),
        ({"grant_type": "refresh_token", "refresh_token": ""}, 400, "invalid-request", "invalid_request"),
        ({"grant_type": ["password", "refresh_token"]}, 400, "invalid-request", "invalid_request"),
        ({"grant_type": "refresh_token", "refresh_token": ["a", "b"]}, 400, "invalid-request", "invalid_request"),
        ({"grant_type": "implicit"}, 400, "unsupported-grant-type", "unsupported_grant_type"),
        ({"grant_type": "\0"}, 400, "unsupported-grant-type", "unsupported_grant_type"),
        ({"grant_type": "refresh_token", "refresh_token": "made.up"}, 401, "invalid-token", "invalid_grant"),
        (
            {"grant_type": "password", "username": "nobody@example.com", "password": PASSWORD},
            401,
            "invalid-credentials",
            "invalid_grant",
        ),
        (
            {"grant_type": "password", "username": "a@example.com", "password": "x" * 2000},
            422,
            "validation-error",
            "invalid_request",
        ),
        ({"grant_type": "password", "password": "x" * 1_100_000}, 413, "payload-too-large", "invalid_request"),
    ],
)
async def test_f60_token_errors_have_the_members_of_oauth(
    client: httpx.AsyncClient, form: dict[str, Any], status: int, slug: str, code: str
) -> None:
    response = await client.post(TOKEN, content=urlencode(form, doseq=True), headers=FORM)
    document = response.json()
    assert (response.status_code, document["type"], document["error"]) == (status, f"/problems/{slug}", code)
    assert document["error_description"]
    assert not {'"', "\\"} & set(document["error_description"])
    if status == 401:
        assert response.headers["www-authenticate"].startswith('Bearer error="invalid_grant"')


@pytest.mark.parametrize(
    ("body", "media_type"),
    [(b"{}", "application/json"), (b"grant_type=password", "multipart/form-data; boundary=b"), (b"\xff=%ff", None)],
)
async def test_f60_bodies_of_another_kind_have_them_too(
    client: httpx.AsyncClient, body: bytes, media_type: str | None
) -> None:
    headers = FORM if media_type is None else {"Content-Type": media_type}
    response = await client.post(TOKEN, content=body, headers=headers)
    assert response.status_code in (400, 415)
    assert response.json()["error"] == "invalid_request"


async def test_f60_resource_requests_have_the_errors_of_rfc_6750(client: httpx.AsyncClient, user: Account) -> None:
    def challenge(response: httpx.Response) -> tuple[int, str]:
        return response.status_code, response.headers["www-authenticate"]

    assert challenge(await client.get("/v1/users/me")) == (401, "Bearer")
    made = await user.client.post("/v1/users/me/api-keys", json={"name": "k", "scopes": ["read"]})
    reader = {"Authorization": f"Bearer {made.json()['key']}"}
    status, value = challenge(await client.post("/v1/tags", json={"names": ["a"]}, headers=reader))
    assert status == 403
    assert value.startswith('Bearer error="insufficient_scope", error_description="')
    assert value.endswith('scope="write"')
    status, value = challenge(await client.get("/v1/users/me", headers={"Authorization": "Bearer x"}))
    assert status == 401
    assert value.startswith('Bearer error="invalid_token", error_description="')
