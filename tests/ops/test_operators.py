"""Sign-in to the operators' page by a browser, over plain HTTP."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest

from app.core.rate_limit import RateLimitSettings
from app.core.settings import Settings
from app.ops.operator_sessions import LIFETIME_SECONDS
from app.ops.session_cookie import COOKIE
from tests.support.accounts import PASSWORD, Account
from tests.support.server import RunningService, running_service


@pytest.fixture
async def browser_client(service: RunningService) -> AsyncIterator[httpx.AsyncClient]:
    """A client that sends what a browser sends."""
    async with httpx.AsyncClient(base_url=service.url, headers={"Origin": service.url}) as client:
        yield client


async def _sign_in(client: httpx.AsyncClient, email: str, password: str = PASSWORD) -> httpx.Response:
    return await client.post("/ops/login", data={"email": email, "password": password})


async def test_the_cookie_is_valid_for_the_page_only(browser_client: httpx.AsyncClient, admin: Account) -> None:
    response = await _sign_in(browser_client, admin.email)
    assert (response.status_code, response.headers["location"]) == (303, "/ops")
    attributes = response.headers["set-cookie"].lower().split("; ")[1:]
    assert {"httponly", "samesite=strict", "path=/ops", f"max-age={LIFETIME_SECONDS}"} <= set(attributes)
    assert (await browser_client.get("/ops")).status_code == 200
    # Where the cookie is sent all the same, it is not looked at.
    cookie = {"Cookie": f"{COOKIE}={browser_client.cookies[COOKIE]}"}
    assert (await browser_client.get("/v1/users/me", headers=cookie)).status_code == 401


async def test_over_tls_the_cookie_is_secure(settings: Settings, admin: Account) -> None:
    public = "https://images.example"
    async with (
        running_service(settings.model_copy(update={"public_url": public})) as service,
        httpx.AsyncClient(base_url=service.url, headers={"Origin": public}) as client,
    ):
        response = await _sign_in(client, admin.email)
    assert response.headers["set-cookie"].lower().endswith("secure")


async def test_pages_have_a_strict_content_security_policy(browser_client: httpx.AsyncClient) -> None:
    headers = (await browser_client.get("/ops/login")).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


async def test_anonymous_visitors_are_redirected_to_the_form(client: httpx.AsyncClient, user: Account) -> None:
    for path in ("/ops", "/ops/requests", "/ops/audit", "/ops/service", "/ops/requests/x?time=2026-11-20T12:00:00Z"):
        response = await client.get(path)
        assert (response.status_code, response.headers["location"]) == (303, "/ops/login")
    assert (await client.get("/ops/live")).status_code == 401
    mine = {"Cookie": f"{COOKIE}={user.ops_cookie}"}
    assert (await client.get("/ops", headers=mine)).status_code == 403
    assert (await client.get("/ops/live", headers=mine)).status_code == 403
    bad = await client.get("/ops", headers={"Cookie": f"{COOKIE}=made.up.token"})
    assert bad.headers["location"] == "/ops/login?ended=1"


@pytest.mark.parametrize("origin", [None, "null", "https://elsewhere.example", "http://127.0.0.1:1"])
async def test_forms_of_other_sites_are_refused(client: httpx.AsyncClient, admin: Account, origin: str | None) -> None:
    for path in ("/ops/login", "/ops/logout"):
        headers = {"Origin": origin} if origin else {}
        data = {"email": admin.email, "password": PASSWORD}
        response = await client.post(path, data=data, headers=headers)
        assert response.status_code == 403
        assert "set-cookie" not in response.headers


@pytest.mark.parametrize(
    ("public_url", "headers"),
    [
        ("https://images.example", {"Host": "evil.example", "Origin": "http://evil.example"}),
        ("https://images.example", {"Host": "evil.example", "Origin": "https://evil.example"}),
        ("https://images.example", {"Host": "images.example", "Origin": "http://images.example"}),
        ("https://images.example", {"Host": "images.example", "Origin": "https://images.example:8443"}),
        ("https://images.example", {"Host": "localhost", "Origin": "http://localhost"}),
        ("http://127.0.0.1:8000", {"Host": "evil.example", "Origin": "http://evil.example"}),
        ("http://127.0.0.1:8000", {"Host": "localhost:9999", "Origin": "https://localhost:9999"}),
        ("http://127.0.0.1:8000", {"Host": "localhost:9999", "Origin": "http://localhost:1234"}),
        ("http://127.0.0.1:8000", {"Host": "localhost:9999", "Origin": "http://[bad"}),
    ],
)
async def test_f20_the_origin_is_compared_with_public_url(
    settings: Settings, admin: Account, public_url: str, headers: dict[str, str]
) -> None:
    async with (
        running_service(settings.model_copy(update={"public_url": public_url})) as service,
        httpx.AsyncClient(base_url=service.url) as client,
    ):
        data = {"email": admin.email, "password": PASSWORD}
        response = await client.post("/ops/login", data=data, headers=headers)
    assert response.status_code == 403
    assert "set-cookie" not in response.headers


@pytest.mark.parametrize(
    ("public_url", "host", "origins"),
    [
        ("https://images.example", "internal:8000", ["https://images.example"]),
        ("https://images.example/below", "images.example", ["https://images.example:443"]),
        ("http://127.0.0.1:8000", "localhost:9999", ["http://localhost:9999", "http://127.0.0.1:8000"]),
    ],
)
async def test_f20_the_own_origin_is_accepted(
    settings: Settings, admin: Account, public_url: str, host: str, origins: list[str]
) -> None:
    async with (
        running_service(settings.model_copy(update={"public_url": public_url})) as service,
        httpx.AsyncClient(base_url=service.url) as client,
    ):
        data = {"email": admin.email, "password": PASSWORD}
        for origin in origins:
            response = await client.post("/ops/login", data=data, headers={"Host": host, "Origin": origin})
            assert response.status_code == 303, response.text


async def test_f20_two_origins_are_refused(client: httpx.AsyncClient, service: RunningService, admin: Account) -> None:
    headers = [("Origin", service.url), ("Origin", "https://evil.example")]
    data = {"email": admin.email, "password": PASSWORD}
    for both in (headers, headers[::-1]):
        assert (await client.post("/ops/login", data=data, headers=both)).status_code in (400, 403)


async def test_f19_the_cookie_is_no_bearer_token(browser_client: httpx.AsyncClient, admin: Account) -> None:
    await _sign_in(browser_client, admin.email)
    bearer = {"Authorization": f"Bearer {browser_client.cookies[COOKIE]}"}
    response = await browser_client.get("/v1/users/me", headers=bearer)
    assert (response.status_code, response.json()["type"]) == (401, "/problems/invalid-token")


async def test_f19_no_other_credential_is_a_cookie(client: httpx.AsyncClient, admin: Account) -> None:
    made = await admin.client.post("/v1/users/me/api-keys", json={"name": "k", "scopes": ["read", "admin"]})
    for credential in (admin.access_token, made.json()["key"]):
        cookie = {"Cookie": f"{COOKIE}={credential}"}
        response = await client.get("/ops", headers=cookie)
        assert (response.status_code, response.headers["location"]) == (303, "/ops/login?ended=1")
        assert (await client.get("/ops/live", headers=cookie)).status_code == 401


async def test_signing_out_ends_the_session(
    browser_client: httpx.AsyncClient, admin: Account, sql: asyncpg.Connection
) -> None:
    await _sign_in(browser_client, admin.email)
    token = browser_client.cookies[COOKIE]
    response = await browser_client.post("/ops/logout")
    assert response.headers["location"] == "/ops/login"
    assert COOKIE not in browser_client.cookies
    assert (await browser_client.get("/ops", headers={"Cookie": f"{COOKIE}={token}"})).status_code == 303
    assert await sql.fetchval("SELECT count(*) FROM user_sessions") == 1


async def test_attempts_are_limited(settings: Settings, admin: Account) -> None:
    limits = RateLimitSettings(account="2/minute", address="1000/minute", total="1000/minute")
    async with (
        running_service(settings.model_copy(update={"login_limits": limits})) as service,
        httpx.AsyncClient(base_url=service.url, headers={"Origin": service.url}) as client,
    ):
        responses = [await _sign_in(client, admin.email, "wrong") for _ in range(3)]
    assert [response.status_code for response in responses] == [401, 401, 429]
    assert "password is wrong" in responses[0].text
    assert responses[0].headers["www-authenticate"] == "Bearer"
    assert f"Try again in {responses[2].headers['retry-after']} s" in responses[2].text


@pytest.mark.parametrize(
    "path",
    [
        "/ops/requests?min_ms=abc",
        "/ops/requests?route=%00",
        "/ops/audit?action=nothing",
        "/ops/audit?since=2026-13-01",
        "/ops/requests/x",
        "/ops/requests/%00?time=2026-11-20T12:00:00Z",
        "/ops/requests/%ff?time=0001-01-01T00:00:00%2B14:00",
        "/ops/requests/x?time=9999-12-31T23:59:59-14:00",
        "/ops/requests?since=0001-01-01T00:00:00%2B14:00",
        "/ops/static/nothing",
        "/ops/static/%00",
        "/ops/static/" + "x" * 300,
        "/ops/static/.",
        "/ops/static/..%2f..%2fpages.py",
        "/ops/live?minutes=7",
        "/ops/live?route=%ff%00",
        "/ops/nowhere",
    ],
)
async def test_invalid_addresses_are_422(client: httpx.AsyncClient, admin: Account, path: str) -> None:
    response = await client.get(path, headers={"Cookie": f"{COOKIE}={admin.ops_cookie}"})
    assert response.status_code in (404, 422), response.text


async def test_text_of_clients_is_shown_as_text(client: httpx.AsyncClient, admin: Account) -> None:
    mark = "<script>alert(1)</script>"
    sent = await client.get(f"/nowhere/{mark}", headers={"User-Agent": mark})
    cookie = {"Cookie": f"{COOKIE}={admin.ops_cookie}"}
    async with asyncio.timeout(20):
        while True:
            found = await client.get(f"/ops/requests?request_id={sent.headers['X-Request-ID']}", headers=cookie)
            if "1 found" in found.text:
                break
            await asyncio.sleep(0.1)
    assert mark not in found.text
    assert "&lt;script&gt;" in found.text
