"""The operators' page in a real browser."""

import asyncio
import re
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from playwright.async_api import Browser, BrowserContext, Page, expect
from pydantic import SecretStr

from app.core.settings import Settings
from app.main import create_app
from tests.support.accounts import PASSWORD, Account
from tests.support.browser import TIMEOUT_MS
from tests.support.server import RunningService, serving
from tests.telemetry.mongod import Mongod


async def _sign_in(page: Page, email: str, password: str = PASSWORD) -> None:
    await page.goto("/ops/login")
    await page.get_by_label("E-mail").fill(email)
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("button", name="Sign in").click()


async def _send(watched: RunningService, *paths: str) -> list[str]:
    """Ask for these paths; return the answers' request ids."""
    async with httpx.AsyncClient(base_url=watched.url) as client:
        return [(await client.get(path)).headers["X-Request-ID"] for path in paths]


def _complaints(page: Page) -> list[str]:
    """Collect the errors of the browser: failed scripts, and violations of the Content-Security-Policy."""
    found: list[str] = []
    page.on("console", lambda message: found.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: found.append(str(error)))
    return found


async def test_the_page_lists_failed_and_slow_requests(page: Page, watched: RunningService) -> None:
    complaints = _complaints(page)
    await page.goto("/ops")
    await expect(page.locator("#updated")).to_have_text(re.compile(r"\d\d:\d\d:\d\d"))
    [broken, _slow] = await _send(watched, "/v1/broken", "/v1/slow")
    failed = page.locator('[data-requests="failed"] tbody tr', has_text="/v1/broken")
    await expect(failed).to_contain_text("internal-error")
    await expect(page.locator('[data-requests="slow"] tbody tr', has_text="/v1/slow")).to_be_visible()
    await expect(page.locator('[data-figure="errors"]')).to_contain_text("1")
    latency = page.get_by_role("img", name=re.compile("^Latency since .* p99 now [0-9]"))
    await expect(latency.locator("canvas")).to_be_visible()
    await expect(page.locator('[data-backend="postgres"]')).to_have_class("up")
    await failed.get_by_role("link").click()
    await expect(page.get_by_text(broken)).to_be_visible()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("500 GET /v1/broken")
    await page.get_by_role("link", name="Other requests of this route").click()
    await expect(page.locator("tbody tr")).to_have_count(1)
    assert not complaints


async def test_one_route_alone(page: Page, watched: RunningService) -> None:
    await _send(watched, "/v1/slow", "/v1/broken", "/nowhere")
    await page.goto("/ops")
    await page.get_by_role("button", name="GET /v1/broken").click()
    await expect(page.locator('[data-figure="count"]')).to_have_text("1")
    await expect(page.locator('[data-requests="failed"] tbody tr')).to_have_count(1)
    await expect(page.locator('[data-requests="slow"] tbody tr')).to_have_count(1)
    await page.reload()
    await expect(page.locator("#route")).to_have_value("GET /v1/broken")
    await page.locator("#own").check()
    await expect(page.locator("#routes")).to_contain_text("GET /ops/live")


async def test_f89_scanners_do_not_hide_server_errors(page: Page, watched: RunningService) -> None:
    await _send(watched, "/v1/broken", *(f"/wp-{number}.php" for number in range(5)))
    await page.goto("/ops")
    failed = page.locator('[data-requests="failed"] tbody tr')
    await expect(failed).to_have_count(1)
    await page.get_by_label("All 4xx").check()
    await expect(failed).to_have_count(6)


async def test_f89_a_request_shows_the_address_of_its_account(page: Page, admin: Account) -> None:
    await page.goto("/ops")
    await page.locator("#own").check()
    await expect(page.locator("#routes")).to_contain_text("GET /ops/live", timeout=TIMEOUT_MS)
    await page.goto("/ops/requests?own=true&route=/ops/live")
    await page.locator("tbody tr").first.get_by_role("link").click()
    await expect(page.get_by_text(f"({admin.email})")).to_be_visible()


async def test_f85_the_busiest_routes_are_shown_and_a_filter_finds_the_others(
    page: Page, watched: RunningService
) -> None:
    image = "/v1/images/1f0c3a52-c7d4-11f0-9d7e-63c1c0a4b6f1"
    paths = [image, *(f"{image}/{part}" for part in ("content", "thumbnail", "url")), "/v1/images", "/v1/tags"]
    paths += ["/v1/tags/cat", "/v1/tags/cat/related", "/v1/users/me", "/v1/users/me/api-keys", "/v1/users/me/sessions"]
    paths += [
        "/v1/auth/social/none",
        f"/v1/users/{image[-36:]}",
        "/v1/auth/social",
        "/v1/ops/requests",
        "/v1/ops/metrics",
        "/v1/users",
        "/nowhere",
    ]
    await _send(watched, *paths, *paths, "/v1/slow")
    await page.goto("/ops")
    rows = page.locator("#routes tbody tr")
    await expect(rows).to_have_count(15)
    await expect(page.locator("#more")).to_contain_text("The busiest 15 of")
    await expect(rows.filter(has_text="/v1/slow")).to_have_count(0)
    await page.get_by_label("Filter").fill("get slow")
    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text("GET /v1/slow")
    await expect(page.locator("#more")).to_have_text("")


async def test_charts_have_tables_and_updates_can_be_paused(page: Page, watched: RunningService) -> None:
    await _send(watched, "/v1/broken")
    await page.goto("/ops")
    await page.get_by_text("Errors as a table").click()
    rows = page.locator('[data-chart="errors"] tbody tr')
    await expect(rows.filter(has_text=re.compile(r"^\d\d:\d\d01$"))).to_have_count(1)
    assert await rows.count() >= 60
    pause = page.get_by_role("button", name="Pause")
    await pause.click()
    await expect(pause).to_have_attribute("aria-pressed", "true")
    async with page.expect_response("**/ops/live*"):
        await pause.click()


async def test_it_can_be_used_by_keyboard_alone(tab: BrowserContext, watched: RunningService, admin: Account) -> None:
    await _send(watched, "/v1/broken")
    page = await tab.new_page()
    await page.goto("/ops")
    await expect(page.get_by_label("E-mail")).to_be_focused()
    await page.keyboard.type(admin.email)
    await page.keyboard.press("Tab")
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press("Enter")
    link = page.locator('[data-requests="failed"]').get_by_role("link")
    await expect(link).to_be_visible(timeout=TIMEOUT_MS)
    for _ in range(40):
        await page.keyboard.press("Tab")
        if await link.evaluate("one => one === document.activeElement"):
            break
    # New rows come in above; the focus stays where it is.
    await _send(watched, "/v1/broken")
    await expect(page.locator('[data-requests="failed"] tbody tr')).to_have_count(2)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_contain_text("/v1/broken")


async def test_a_refused_visitor_sees_the_reason(
    tab: BrowserContext, make_account: Any, sql: asyncpg.Connection, admin: Account
) -> None:
    user = await make_account()
    page = await tab.new_page()
    await _sign_in(page, user.email)
    await expect(page.get_by_role("alert")).to_contain_text("not an admin")
    assert (
        await sql.fetchval("SELECT count(*) FROM user_sessions WHERE user_id = $1", user.id) == 1
    )  # the fixture's own
    await _sign_in(page, admin.email, "wrong")
    await expect(page.get_by_role("alert")).to_contain_text("password is wrong")
    await _sign_in(page, admin.email)
    await expect(page.locator("#updated")).to_have_text(re.compile(r"\d\d:"))
    await sql.execute("DELETE FROM user_sessions WHERE user_id = $1", admin.id)
    await expect(page.get_by_role("alert")).to_contain_text("session has ended")
    await _sign_in(page, admin.email)
    await sql.execute("UPDATE users SET is_admin = false WHERE id = $1", admin.id)
    await expect(page.get_by_role("status")).to_contain_text("limited to admins")
    await page.goto("/ops")
    await page.get_by_role("button", name="Sign in with another account").click()
    await page.wait_for_url("**/ops/login")


@pytest.mark.slow
async def test_during_an_outage_of_mongodb_the_page_reports_it(
    browser: Browser, page_settings: Settings, admin: Account, tmp_path: Path
) -> None:
    mongod = Mongod(tmp_path / "mongod")
    own = {"mongo_url": SecretStr(mongod.url), "telemetry_spill_dir": tmp_path / "wal"}
    try:
        async with serving(create_app(page_settings.model_copy(update=own))) as url:
            context = await browser.new_context(base_url=url)
            context.set_default_timeout(TIMEOUT_MS)
            page = await context.new_page()
            await _sign_in(page, admin.email)
            await expect(page.locator("#updated")).to_have_text(re.compile(r"\d\d:"))
            mongod.kill()
            await expect(page.get_by_role("status")).to_contain_text("(MongoDB)")
            await expect(page.locator('[data-backend="mongo"]')).to_contain_text("down")
            await page.get_by_role("link", name="Requests", exact=True).click()
            await expect(page.get_by_role("heading", level=1)).to_have_text("Request log unavailable")
            await page.go_back()
            await asyncio.to_thread(mongod.revive)
            await expect(page.locator("#updated")).to_have_text(re.compile(r"\d\d:"))
            await expect(page.locator("#banner")).to_be_empty(timeout=TIMEOUT_MS)
            await context.close()
    finally:
        mongod.stop()
