"""A browser with a session of the gallery."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from playwright.async_api import Browser, BrowserContext, Page

from app.core.security import AccessClaims, AccessTokens, Audience
from app.core.settings import Settings
from app.gallery.gallery_cookie import COOKIE
from tests.support.accounts import Account
from tests.support.browser import chromium
from tests.support.server import RunningService

PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 850}
MakePage = Callable[..., Awaitable[Page]]


def gallery_cookie(settings: Settings, account: Account) -> str:
    """Return the value of the cookie of the session that the account has."""
    tokens = AccessTokens(settings.jwt_secret.get_secret_value(), settings.access_token_seconds)
    return tokens.issue(AccessClaims(account.id, account.session_id), audience=Audience.GALLERY)


def collect_faults(page: Page) -> list[str]:
    """Return a list that receives the uncaught errors and the error messages of the page."""
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    return faults


@pytest.fixture(scope="package")
async def chrome() -> AsyncIterator[Browser]:
    """One Chromium for the tests of this folder."""
    async with chromium() as browser:
        yield browser


@pytest.fixture
async def open_page(chrome: Browser, service: RunningService, settings: Settings) -> AsyncIterator[MakePage]:
    """Open a page of the service in Chromium, signed in as the account."""
    async with AsyncExitStack() as stack:

        async def open_page(account: Account | None, path: str, viewport: dict[str, int], **options: object) -> Page:
            context: BrowserContext = await chrome.new_context(viewport=viewport, **options)  # type: ignore[arg-type]
            stack.push_async_callback(context.close)
            if account is not None:
                value = gallery_cookie(settings, account)
                await context.add_cookies(
                    [{"name": COOKIE, "value": value, "url": service.url, "httpOnly": True, "sameSite": "Lax"}]
                )
            page = await context.new_page()
            await page.goto(service.url + path)
            return page

        yield open_page
