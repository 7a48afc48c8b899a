"""The page of the account, without scripts and in Chromium."""

import re
from collections.abc import AsyncIterator
from urllib.parse import urljoin

import asyncpg
import httpx
import pytest
from playwright.async_api import Page, expect
from pydantic import SecretStr

from app.core.settings import Settings
from app.gallery.gallery_cookie import COOKIE
from tests.support.accounts import PASSWORD, Account
from tests.support.browser import chromium
from tests.support.mail import smtp_server
from tests.support.photos import png
from tests.support.server import RunningService, running_service

pytestmark = pytest.mark.integration

NEW_PASSWORD = "an entirely new one"


async def sign_in(browser: httpx.AsyncClient, email: str, password: str = PASSWORD) -> httpx.Response:
    origin = {"Origin": str(browser.base_url).rstrip("/")}
    return await browser.post("/sign-in", data={"email": email, "password": password}, headers=origin)


@pytest.fixture
async def browser(service: RunningService) -> AsyncIterator[httpx.AsyncClient]:
    """A browser without scripts and without a session."""
    async with httpx.AsyncClient(base_url=service.url) as client:
        yield client


async def test_the_page_shows_what_the_account_owns(
    browser: httpx.AsyncClient, user: Account, sql: asyncpg.Connection
) -> None:
    assert (await browser.get("/account")).headers["location"] == "/sign-in?next=%2Faccount"
    stored = await user.client.post("/v1/images", files={"image": ("a.png", png())})
    assert stored.status_code == 201, stored.text
    key = {"name": "<b>script</b>", "scopes": ["read"]}
    assert (await user.client.post("/v1/users/me/api-keys", json=key)).status_code == 201
    await sql.execute("UPDATE users SET quota_bytes = 3 << 20")
    await sign_in(browser, user.email)
    page = await browser.get("/account")
    assert page.headers["cache-control"] == "no-store"
    for shown in (user.email, "not verified", "of 3.0 MB", "&lt;b&gt;script", f'data-end="{user.session_id}"'):
        assert shown in page.text, shown
    assert page.text.count("This session") == 1
    assert "imts_" not in page.text


async def test_the_page_shows_nothing_of_another_account(
    browser: httpx.AsyncClient, user: Account, admin: Account
) -> None:
    await admin.client.post("/v1/users/me/api-keys", json={"name": "of the admin", "scopes": ["read"]})
    await sign_in(browser, user.email)
    page = (await browser.get("/account")).text
    assert (admin.email in page, "of the admin" in page, str(admin.session_id) in page) == (False, False, False)


async def test_a_forgotten_password_is_replaced_by_a_mailed_link(settings: Settings, user: Account) -> None:
    async with smtp_server() as mailbox:
        changes = {"smtp_url": SecretStr(mailbox.url)}
        async with (
            running_service(settings.model_copy(update=changes)) as service,
            httpx.AsyncClient(base_url=service.url, timeout=60) as client,
        ):
            assert 'href="/forgot-password"' in (await client.get("/sign-in")).text
            form, origin = {"email": user.email}, {"Origin": service.url}
            assert (await client.post("/forgot-password", data=form)).status_code == 403
            pages = [
                await client.post("/forgot-password", data={"email": one}, headers=origin)
                for one in (user.email, "nobody@example.com")
            ]
            assert [one.status_code for one in pages] == [200, 200]
            assert pages[0].text.replace(user.email, "") == pages[1].text.replace("nobody@example.com", "")
            link = re.search(rf"{settings.public_url}(/\S+)", str((await mailbox.next_mail()).get_content()))
            assert link
            path, _, token = link[1].partition("?token=")
            assert (await client.get(link[1])).status_code == 200
            done = await client.post(path, data={"token": token, "password": NEW_PASSWORD})
            assert (done.status_code, "/sign-in" in done.text) == (200, True)
            assert (await sign_in(client, user.email, NEW_PASSWORD)).status_code == 303


async def test_without_mail_there_is_no_form_for_a_forgotten_password(browser: httpx.AsyncClient) -> None:
    assert "forgot-password" not in (await browser.get("/sign-in")).text
    assert (await browser.get("/forgot-password")).status_code == 503


async def create_key(page: Page) -> str:
    await page.get_by_text("Create an API key").click()
    await page.get_by_label("Name", exact=True).fill("script")
    await page.get_by_label("write").check()
    await page.get_by_role("button", name="Create the key").click()
    shown = page.get_by_label("The new key")
    await expect(shown).to_have_value(re.compile("^imts_"))
    return await shown.input_value()


async def change_password(page: Page) -> None:
    await page.get_by_text("Change the password").click()
    await page.get_by_label("Current password").fill("wrong one")
    await page.get_by_label("New password").fill(NEW_PASSWORD)
    await page.get_by_role("button", name="Set the password").click()
    await expect(page.locator("#messages")).to_contain_text("wrong")
    await page.get_by_label("Current password").fill(PASSWORD)
    await page.get_by_role("button", name="Set the password").click()
    await expect(page.locator("#messages")).to_contain_text("The password is set")


@pytest.mark.timeout(120)
async def test_the_account_is_changed_in_a_browser(
    service: RunningService, browser: httpx.AsyncClient, user: Account, sql: asyncpg.Connection
) -> None:
    await sign_in(browser, user.email)
    async with chromium() as chrome:
        context = await chrome.new_context(viewport={"width": 390, "height": 844})
        await context.add_cookies([{"name": COOKIE, "value": browser.cookies[COOKIE], "url": service.url}])
        page = await context.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("dialog", lambda dialog: dialog.accept())
        await page.goto(urljoin(service.url, "/account"))
        for summary in await page.locator("summary").all():
            await summary.click()
        for width in (1280, 390):
            await page.set_viewport_size({"width": width, "height": 844})
            assert await page.evaluate("document.documentElement.scrollWidth") == width
        await page.reload()

        key = await create_key(page)
        bearer = {"Authorization": f"Bearer {key}"}
        assert (await browser.get("/v1/users/me", headers=bearer)).json()["email"] == user.email
        await page.reload()
        assert key not in await page.content()
        await page.get_by_role("button", name="Revoke script").click()
        await expect(page.locator("#messages")).to_contain_text("revoked")
        assert (await browser.get("/v1/users/me", headers=bearer)).status_code == 401

        await page.locator(f'[data-end="{user.session_id}"]').click()
        await expect(page.locator("#messages")).to_contain_text("has ended")
        assert (await user.client.get("/v1/users/me")).status_code == 401

        await sql.execute("UPDATE user_sessions SET created_at = now() - interval '1 hour'")
        await page.get_by_text("Create an API key").click()
        await page.get_by_label("Name", exact=True).fill("late")
        await page.get_by_role("button", name="Create the key").click()
        await page.get_by_label("Password, because").fill(PASSWORD)
        await page.get_by_role("button", name="Create the key").click()
        await expect(page.get_by_label("The new key")).to_be_visible()

        await change_password(page)
        assert await sql.fetchval("SELECT count(*) FROM api_keys") == 0
        await page.get_by_role("button", name="Sign out", exact=True).click()
        await expect(page.get_by_role("link", name="Sign in")).to_be_visible()
        assert faults == []
    assert (await sign_in(browser, user.email, NEW_PASSWORD)).status_code == 303
