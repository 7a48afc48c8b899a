"""Social sign-in on the pages of the gallery, against a real OpenID Connect provider."""

import re
from urllib.parse import parse_qs, urlsplit

import asyncpg
import httpx
import pytest
from playwright.async_api import Route, expect

from app.gallery.gallery_cookie import COOKIE
from app.gallery.social_pages import FLOW_COOKIE
from tests.support.accounts import PASSWORD
from tests.support.browser import chromium
from tests.support.server import RunningService
from tests.users.conftest import CALLBACK
from tests.users.openid_server import OpenIdServer

pytestmark = pytest.mark.integration


async def depart(browser: httpx.AsyncClient, path: str = "/sign-in/local") -> str:
    """Start a sign-in, and return the path to which the provider sends the browser back."""
    return await _return_path((await browser.get(path)).headers["location"])


async def _return_path(url: str) -> str:
    async with httpx.AsyncClient() as outside:
        back = await outside.get(url)
    return back.headers["location"].removeprefix("http://127.0.0.1:8000")


async def sign_up(browser: httpx.AsyncClient, email: str) -> None:
    form = {"email": email, "password": PASSWORD}
    done = await browser.post("/sign-up", data=form, headers={"Origin": str(browser.base_url).rstrip("/")})
    assert done.status_code == 303, done.text


async def csrf(browser: httpx.AsyncClient) -> dict[str, str]:
    found = re.search(r'name="csrf-token" content="([^"]+)"', (await browser.get("/")).text)
    return {"X-CSRF-Token": found[1] if found else ""}


async def test_a_social_sign_in_ends_in_the_cookie_of_the_gallery(
    browser: httpx.AsyncClient, provider: OpenIdServer, sql: asyncpg.Connection
) -> None:
    for page in ("/sign-in?next=/upload", "/sign-up"):
        assert 'href="/sign-in/local?next=' in (await browser.get(page)).text
    started = await browser.get("/sign-in/local", params={"next": "/?q=cat"})
    query = parse_qs(urlsplit(started.headers["location"]).query)
    assert (started.status_code, query["redirect_uri"]) == (303, [provider.redirect_uri])
    assert query["code_challenge_method"] == ["S256"]
    cookie = started.headers["set-cookie"].lower()
    assert ("httponly" in cookie, "samesite=lax" in cookie, query["state"][0] in cookie) == (True, True, False)

    # The provider knows the callback of the API only, which gives the flow back to the page.
    passed_on = await browser.get(await _return_path(started.headers["location"]))
    assert (passed_on.status_code, passed_on.headers["referrer-policy"]) == (303, "no-referrer")
    assert "access_token" not in passed_on.text
    done = await browser.get(passed_on.headers["location"])
    assert (done.status_code, done.headers["location"]) == (303, "/?q=cat")
    assert "access_token" not in done.text
    assert "ada@example.com" in (await browser.get("/account")).text
    assert (await browser.get("/v1/users/me")).status_code == 401
    assert await sql.fetchval("SELECT count(*) FROM user_sessions") == 1
    # A second sign-in replaces the session of the browser.
    again = await browser.get(await depart(browser), follow_redirects=True)
    assert again.status_code == 200
    assert await sql.fetchval("SELECT count(*) FROM user_sessions") == 1


async def test_a_state_is_for_one_browser_and_one_use(
    browser: httpx.AsyncClient, social_service: RunningService
) -> None:
    back = await depart(browser)
    page = back.replace(CALLBACK, "/sign-in/local/callback")
    async with httpx.AsyncClient(base_url=social_service.url) as victim:
        await victim.get("/sign-in/local")
        refused = await victim.get(page)
        assert (refused.status_code, COOKIE in victim.cookies) == (400, False)
        assert 'role="alert"' in refused.text
    flow = browser.cookies[FLOW_COOKIE]
    # The API does not complete the flow of a page, even for its browser.
    tokens = await browser.get(back.replace("state=page.", "state="), headers={"Cookie": f"imts_social={flow}"})
    assert tokens.status_code == 400
    assert (await browser.get(page)).status_code == 303
    assert (await browser.get(page)).status_code == 400


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "/\\evil.example"])
async def test_a_social_sign_in_returns_to_this_site_only(browser: httpx.AsyncClient, target: str) -> None:
    started = await browser.get("/sign-in/local", params={"next": target})
    passed_on = await browser.get(await _return_path(started.headers["location"]))
    assert (await browser.get(passed_on.headers["location"])).headers["location"] == "/"


async def test_the_failures_of_a_provider_are_shown_in_the_form(
    browser: httpx.AsyncClient, provider: OpenIdServer
) -> None:
    provider.behaviour.deny = True
    denied = await browser.get(await depart(browser), follow_redirects=True)
    assert denied.status_code == 400
    assert "reported an error" in denied.text
    for path, status in (("/sign-in/down", 503), ("/sign-in/unknown", 404), ("/sign-in/unknown/callback?state=x", 404)):
        page = await browser.get(path)
        assert (page.status_code, 'id="password"' in page.text) == (status, True), path


async def test_an_identity_is_linked_with_the_token_of_the_page_only(
    browser: httpx.AsyncClient, provider: OpenIdServer, sql: asyncpg.Connection
) -> None:
    await sign_up(browser, "grace@example.com")
    provider.behaviour.email = "another@example.com"
    for refused in ({}, {"X-CSRF-Token": "x"}):
        assert (await browser.post("/account/identities/local", headers=refused)).status_code == 403
    started = await browser.post("/account/identities/local", headers=await csrf(browser))
    assert started.status_code == 200, started.text
    passed_on = await browser.get(await _return_path(started.json()["authorize_url"]))
    done = await browser.get(passed_on.headers["location"])
    assert (done.status_code, done.headers["location"]) == (303, "/account")
    page = await browser.get("/account")
    assert ("grace@example.com" in page.text, 'data-unlink="local"' in page.text) == (True, True)
    assert await sql.fetchval("SELECT count(*) FROM users") == 1


async def test_a_link_of_another_site_links_no_identity(
    browser: httpx.AsyncClient, provider: OpenIdServer, sql: asyncpg.Connection
) -> None:
    """The browser is signed in here, and at the provider as the attacker."""
    await sign_up(browser, "victim@example.com")
    provider.behaviour.email = "attacker@example.com"
    await browser.get(await depart(browser), follow_redirects=True)
    owner = await sql.fetchval("SELECT email FROM users JOIN social_identities i ON i.user_id = users.id")
    assert owner == "attacker@example.com"


@pytest.mark.timeout(120)
async def test_a_browser_signs_in_and_stays_on_the_site(social_service: RunningService, provider: OpenIdServer) -> None:
    """The policy of the page permits the redirect to the provider and back."""

    async def to_service(route: Route) -> None:
        url = route.request.url.replace("http://127.0.0.1:8000", social_service.url)
        await route.fulfill(status=302, headers={"Location": url})

    async with chromium() as chrome:
        page = await chrome.new_page()
        faults: list[str] = []
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        await page.route("http://127.0.0.1:8000/**", to_service)
        await page.goto(f"{social_service.url}/account")
        await page.get_by_role("link", name="Continue with Local").click()
        await expect(page.get_by_role("heading", name="Account")).to_be_visible()
        assert page.url == f"{social_service.url}/account"
        await page.get_by_role("button", name="Unlink Local").wait_for()
        provider.behaviour.subject = "subject-2"
        await page.get_by_role("button", name="Link Local", exact=True).click()
        await expect(page.locator("[data-unlink]")).to_have_count(2)
        assert faults == []
