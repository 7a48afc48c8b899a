"""Attacks on the gallery: requests of other sites, replayed tokens, and scripts in stored text."""

import io
import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from PIL import ExifTags, Image
from playwright.async_api import Dialog, Page, Route, expect

from app.gallery.install import install_gallery
from tests.gallery.conftest import DESKTOP, MakePage, collect_faults
from tests.support.accounts import PASSWORD, Account
from tests.support.photos import png
from tests.support.server import RunningService

pytestmark = pytest.mark.integration

# The changes of the gallery, by the check that protects them.
BY_ORIGIN = {"/sign-in", "/sign-up", "/forgot-password"}
BY_TOKEN = {
    *("/sign-out", "/session/token", "/account/identities/{provider}"),
    *("/account/sessions/end-others", "/account/deletion"),
}
FOREIGN_ORIGINS = ("https://evil.example", "null", "http://127.0.0.1.evil.example", "")
ATTACK = "<img src=x onerror=alert(1)>"
QUOTES = "\"'><svg onload=alert(2)>{{7*7}}"
# Tags consist of letters, digits, spaces and a few signs.
TAG = "'&lt javascript:alert(3)"
EVIL_SITE = "http://evil.example/"
EVIL_PAGE = """<!doctype html><title>Evil</title>
<iframe src="{site}/" title="frame"></iframe>
<form method="post" action="{site}/sign-out"><input name="csrf_token" value="{token}"><button>Go</button></form>"""


@pytest.fixture
async def browser(service: RunningService) -> AsyncIterator[httpx.AsyncClient]:
    """A browser without scripts and without a session."""
    async with httpx.AsyncClient(base_url=service.url) as client:
        yield client


def fill(path: str) -> str:
    return path.replace("{provider}", "local")


async def sign_in(browser: httpx.AsyncClient, account: Account) -> str:
    """Open a session, and return its CSRF token."""
    origin = {"Origin": str(browser.base_url).rstrip("/")}
    await browser.post("/sign-in", data={"email": account.email, "password": PASSWORD}, headers=origin)
    return csrf_token((await browser.get("/")).text)


def csrf_token(page: str) -> str:
    found = re.search(r'name="csrf-token" content="([^"]+)"', page)
    assert found
    return found[1]


def test_every_change_of_the_gallery_is_protected() -> None:
    app = FastAPI()
    install_gallery(app)
    own = list(iter_route_contexts(app.routes))
    changes = {one.path_format for one in own if "POST" in (one.methods or ())}
    assert changes == BY_ORIGIN | BY_TOKEN
    assert {method for one in own for method in one.methods or ()} <= {"GET", "HEAD", "POST"}


@pytest.mark.parametrize("origin", FOREIGN_ORIGINS)
async def test_requests_of_other_sites_change_nothing(
    browser: httpx.AsyncClient, user: Account, sql: asyncpg.Connection, origin: str
) -> None:
    headers = {"Origin": origin} if origin else {}
    form = {"email": "new@example.com", "password": PASSWORD}
    for path in BY_ORIGIN:
        refused = await browser.post(path, data=form, headers=headers)
        assert (refused.status_code, "set-cookie" in refused.headers) == (403, False), path
    assert await sql.fetchval("SELECT count(*) FROM users") == 1
    await sign_in(browser, user)
    for path in BY_TOKEN:
        for data in ({}, {"csrf_token": "x"}):
            assert (await browser.post(fill(path), data=data, headers=headers)).status_code == 403, path
    assert user.email in (await browser.get("/")).text


async def test_tokens_of_an_ended_session_are_refused(browser: httpx.AsyncClient, user: Account) -> None:
    token = await sign_in(browser, user)
    cookies = dict(browser.cookies)
    issued = await browser.post("/session/token", headers={"X-CSRF-Token": token})
    bearer = {"Authorization": f"Bearer {issued.json()['access_token']}"}
    assert (await browser.get("/v1/users/me", headers=bearer)).status_code == 200
    assert (await browser.post("/sign-out", data={"csrf_token": token})).status_code == 303

    assert (await browser.get("/v1/users/me", headers=bearer)).status_code == 401
    async with httpx.AsyncClient(base_url=browser.base_url, cookies=cookies) as thief:
        for path in ("/", "/account", "/upload"):
            assert user.email not in (await thief.get(path)).text
    for path in BY_TOKEN:
        # A client for each, since the service deletes the cookie of an ended session.
        async with httpx.AsyncClient(base_url=browser.base_url, cookies=cookies) as thief:
            replayed = await thief.post(fill(path), headers={"X-CSRF-Token": token})
            assert replayed.status_code in {303, 401}, path
            assert "access_token" not in replayed.text
            assert "authorize_url" not in replayed.text
    # The token of the former session is not the one of the next.
    await sign_in(browser, user)
    assert (await browser.post("/session/token", headers={"X-CSRF-Token": token})).status_code == 403


async def test_a_page_of_another_site_neither_frames_nor_uses_the_gallery(
    open_page: MakePage, service: RunningService, user: Account
) -> None:
    page = await open_page(user, "/", DESKTOP)
    token = await page.get_attribute('meta[name="csrf-token"]', "content") or ""
    html = EVIL_PAGE.format(site=service.url, token=token)

    async def show(route: Route) -> None:
        await route.fulfill(body=html, content_type="text/html")

    await page.route(EVIL_SITE, show)
    await page.goto(EVIL_SITE)
    framed = page.frames[1]
    assert await framed.locator("main").count() == 0
    script = "url => fetch(url, {method: 'POST', credentials: 'include'}).then(() => 'read', () => 'refused')"
    for path in ("/session/token", "/sign-out", "/account"):
        assert await page.evaluate(script, service.url + path) == "refused"
    # Even with a CSRF token that leaked, since the cookie stays behind.
    await page.get_by_role("button", name="Go").click()
    await page.goto(service.url)
    await expect(page.get_by_role("link", name="Account")).to_be_visible()


def hostile_photo() -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Model] = "Acme", ATTACK + QUOTES
    file = io.BytesIO()
    Image.effect_noise((64, 48), 90).convert("RGB").save(file, "JPEG", exif=exif)
    return file.getvalue()


async def store_hostile(account: Account) -> str:
    """Store text that is code in HTML wherever the API accepts text. Return the path of the image's page."""
    client = account.client
    ids = []
    for name in (f"{ATTACK}.jpg", f"{QUOTES}.jpg", "gone.jpg"):
        stored = await client.post("/v1/images", files={"image": (name, hostile_photo())})
        assert stored.status_code == 201, stored.text
        ids.append(stored.json()["id"])
        tagged = await client.put(
            f"/v1/images/{ids[-1]}/tags", json={"tags": [TAG, "cat"] if len(ids) == 1 else ["cat"]}
        )
        assert tagged.status_code == 200, tagged.text
    await client.delete(f"/v1/images/{ids[-1]}")
    key = await client.post("/v1/users/me/api-keys", json={"name": ATTACK + QUOTES, "scopes": ["read"]})
    assert key.status_code == 201, key.text
    sign_in = {"grant_type": "password", "username": account.email, "password": PASSWORD}
    agent = {"User-Agent": ATTACK + QUOTES}
    assert (await client.post("/v1/auth/token", data=sign_in, headers=agent)).status_code == 200
    return f"/i/{ids[0]}"


async def use_image_page(page: Page) -> None:
    await expect(page.locator("h1")).to_have_text(f"{ATTACK}.jpg")
    await page.get_by_role("button", name=f"Remove the tag {TAG}").click()
    await expect(page.locator("#messages")).to_contain_text(f"Removed {TAG}")
    await page.get_by_label("Add tags").fill(TAG[:3])
    await page.get_by_role("option").first.click()
    await page.keyboard.press("Enter")
    await expect(page.locator("#messages")).to_contain_text(f"Added {TAG}")
    await expect(page.locator("#history li")).to_have_count(4)
    await page.get_by_role("button", name=f"Revert {TAG}").first.click()
    await expect(page.locator("#messages")).to_contain_text("Reverted")
    await page.locator(".picture figure a").click()
    await expect(page.locator("#zoom-level")).to_contain_text("%")
    await page.keyboard.press("Escape")


@pytest.mark.timeout(180)
async def test_stored_text_is_never_code(open_page: MakePage, service: RunningService, user: Account) -> None:
    image = await store_hostile(user)
    page = await open_page(user, "/", DESKTOP)
    faults = collect_faults(page)

    def refuse(dialog: Dialog) -> None:
        faults.append(f"a dialog: {dialog.message}")

    page.on("dialog", refuse)
    camera = quote(f'camera:"*{ATTACK}*"')
    searches = [f"/?q={one}" for one in (camera, quote(QUOTES), quote(ATTACK))]
    for path in ("/", *searches, "/trash", "/account", f"/sign-in?next={quote(QUOTES)}", f"/i/x{quote(QUOTES)}"):
        await page.goto(service.url + path)
        await page.wait_for_load_state("networkidle")
        assert await page.locator("svg, img[onerror], img[src='x']").count() == 0, path
    await page.goto(f"{service.url}/?q={camera}")
    await page.get_by_label("Narrow the search").get_by_role("link", name=TAG).click()
    await expect(page.locator("#grid li")).to_have_count(1)

    await page.goto(service.url + image)
    await use_image_page(page)

    await page.goto(f"{service.url}/upload")
    hostile: Any = {"name": f"{ATTACK}{QUOTES}.png".replace("/", ""), "mimeType": "image/png", "buffer": png()}
    await page.set_input_files("#chosen-files", [hostile])
    await expect(page.locator("#files")).to_contain_text(ATTACK)
    await expect(page.get_by_role("link", name=re.compile("^Stored$"))).to_be_visible()
    # The browser also reports each page with an error status, as of an invalid query.
    assert [one for one in faults if not one.startswith("Failed to load resource")] == []
