import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from fastapi import FastAPI
from playwright.async_api import Browser, BrowserContext, Page
from pydantic import SecretStr

from app.core.settings import Settings
from app.main import create_app
from app.ops.session_cookie import COOKIE, PATH
from tests.support.accounts import Account
from tests.support.browser import TIMEOUT_MS, chromium
from tests.support.server import RunningService, serving

SLOW_SECONDS = 0.8


@pytest.fixture
def page_settings(settings: Settings, mongo_url: str) -> Settings:
    """The worker's settings with a request log of the test's own."""
    return settings.model_copy(update={"mongo_url": SecretStr(mongo_url), "telemetry_flush_seconds": 0.2})


@pytest.fixture
async def watched(page_settings: Settings, sql: asyncpg.Connection) -> AsyncIterator[RunningService]:  # noqa: ARG001
    """A service with a route that fails and one that is slow."""
    app = create_app(page_settings)
    _break(app)
    async with serving(app) as url:
        yield RunningService(url, app)


def _break(app: FastAPI) -> None:
    @app.get("/v1/broken")
    async def fail() -> None:
        raise RuntimeError("broken on purpose")

    @app.get("/v1/slow")
    async def dawdle() -> None:
        await asyncio.sleep(SLOW_SECONDS)


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest.fixture
async def page(tab: BrowserContext, admin: Account) -> Page:
    """A page of an admin who has signed in; the tests of signing in have `tab`."""
    await tab.add_cookies([{"name": COOKIE, "value": admin.ops_cookie, "domain": "127.0.0.1", "path": PATH}])
    return await tab.new_page()


@pytest.fixture
async def tab(browser: Browser, watched: RunningService) -> AsyncIterator[BrowserContext]:
    """A browser window without cookies, at the service."""
    context = await browser.new_context(base_url=watched.url)
    context.set_default_timeout(TIMEOUT_MS)
    yield context
    await context.close()
