"""F92, F13: the pages of the documentation work without any other host, under a policy."""

import re
from functools import partial

import httpx
import pytest
from playwright.async_api import ConsoleMessage, Request

from app.core.settings import Settings
from tests.support.browser import chromium
from tests.support.server import RunningService, running_service

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/docs/oauth2-redirect"])
async def test_f13_documentation_has_a_policy(client: httpx.AsyncClient, path: str) -> None:
    policy = (await client.get(path)).headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "default-src 'none'" in policy
    script = re.search(r"script-src ([^;]*)", policy)
    assert script is not None
    assert "unsafe" not in script[1]


async def test_f92_no_script_of_redoc_names_its_cdn(client: httpx.AsyncClient) -> None:
    script = await client.get("/static-offline-docs/redoc.standalone.js")
    assert script.headers["content-type"].startswith("text/javascript")
    assert "cdn.redoc" not in script.text


def _note_url(urls: list[str], request: Request) -> None:
    urls.append(request.url)


def _note_error(errors: list[str], message: ConsoleMessage) -> None:
    if message.type == "error":
        errors.append(message.text)


async def test_f92_the_pages_ask_no_other_host(service: RunningService) -> None:
    async with chromium() as browser:
        for path, shown in (("/docs", ".opblock"), ("/redoc", "h1")):
            page = await browser.new_page()
            urls: list[str] = []
            errors: list[str] = []
            page.on("request", partial(_note_url, urls))
            page.on("console", partial(_note_error, errors))
            await page.goto(f"{service.url}{path}")
            await page.wait_for_selector(shown)
            foreign = [url for url in urls if not url.startswith((service.url, "data:", "blob:"))]
            assert (foreign, errors) == ([], []), path
            await page.close()


@pytest.mark.parametrize(("url", "expected"), [("https://images.example.org", True), ("http://127.0.0.1:8000", False)])
async def test_f13_hsts_follows_the_public_url(settings: Settings, url: str, *, expected: bool) -> None:
    async with (
        running_service(settings.model_copy(update={"public_url": url})) as service,
        httpx.AsyncClient(base_url=service.url) as client,
    ):
        for path in ("/healthz", "/v1/nothing", "/docs"):
            response = await client.get(path)
            assert ("max-age=" in response.headers.get("strict-transport-security", "")) is expected


async def test_f13_responses_with_credentials_are_not_stored(client: httpx.AsyncClient) -> None:
    for method, path in (("POST", "/v1/auth/token"), ("GET", "/v1/users/me/api-keys"), ("GET", "/v1/auth/social/x")):
        response = await client.request(method, path)
        assert "no-store" in response.headers["cache-control"]
