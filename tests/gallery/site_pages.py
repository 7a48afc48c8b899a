"""Every page of the gallery and of `/ops`, and those of mailed links, with images, changes and requests to show."""

import asyncio
from dataclasses import dataclass
from typing import Any

from fastapi.routing import APIRoute
from playwright.async_api import Browser, BrowserContext

from app.core.settings import Settings
from app.gallery import account_page, router, sign_in_pages, social_pages
from app.gallery.gallery_cookie import COOKIE
from app.ops import pages as ops_pages
from app.ops.session_cookie import COOKIE as OPS_COOKIE
from tests.gallery.conftest import gallery_cookie
from tests.support.accounts import Account
from tests.support.browser import TIMEOUT_MS
from tests.support.photos import image_bytes

WITH_PARAMETERS = {"/i/{image_id}", "/ops/requests/{event_id}"}
# Files, and redirects to a provider.
NO_PAGES = {
    *("/i/{image_id}/thumbnail", "/i/{image_id}/content"),
    *("/sign-in/{provider}", "/sign-in/{provider}/callback"),
}
MAILED_LINKS = ("/reset-password?token=x", "/verify-email?token=x")
# The live metrics with requests in their tables.
DASHBOARD = "/ops?with_4xx=true"
FOR_VISITORS = (
    *MAILED_LINKS,
    *("/?q=nothing+cat", "/?q=cat+(dog", "/i/nothing"),
    *("/sign-in", "/sign-up", "/forgot-password", "/ops/login", "/problems"),
)


@dataclass(frozen=True, slots=True)
class SitePages:
    """Paths for a visitor without a session, and for an admin who is signed in to the gallery and to `/ops`."""

    for_visitors: list[str]
    for_admins: list[str]


async def sign_in(browser: Browser, url: str, settings: Settings, account: Account, **options: Any) -> BrowserContext:
    """Return a context with the cookies of the gallery and of `/ops`."""
    context = await browser.new_context(base_url=url, **options)
    context.set_default_timeout(TIMEOUT_MS)
    cookies = {COOKIE: gallery_cookie(settings, account), OPS_COOKIE: account.ops_cookie}
    for name, value in cookies.items():
        await context.add_cookies([{"name": name, "value": value, "domain": "127.0.0.1", "path": "/"}])
    return context


async def make_pages(admin: Account) -> SitePages:
    """Store images for each state that a page shows, and return the pages."""
    public, private = await _store_images(admin)
    request = f"/ops/requests/{await _recorded_request(admin)}"
    for_admins = [path for path in _fixed_paths() if path not in FOR_VISITORS]
    return SitePages(
        [*FOR_VISITORS, "/?q=cat", f"/i/{public}?q=cat"],
        [*for_admins, "/?q=tag*", f"/i/{private}", request, DASHBOARD, "/ops/nothing"],
    )


def _fixed_paths() -> list[str]:
    """Return the paths of the pages without parameters. A new page with parameters needs a place in this module."""
    modules = (router, account_page, sign_in_pages, social_pages, ops_pages)
    routes = [route for module in modules for route in module.pages.routes if isinstance(route, APIRoute)]
    paths = {route.path for route in routes if "GET" in (route.methods or ())} - NO_PAGES
    assert {path for path in paths if "{" in path} == WITH_PARAMETERS
    return sorted(paths - WITH_PARAMETERS)


async def _store_images(admin: Account) -> tuple[str, str]:
    """Return a public image with a history, and a private one with a long name. A third one is in the trash."""
    files = {
        "cat.png": ((64, 48), "cat, animal", "public"),
        f"{'name' * 50}.png": ((900, 90), f"panorama, {'tag' * 20}", "private"),
        "tall.png": ((60, 600), "cat", "public"),
        "deleted.png": ((80, 60), "", "public"),
    }
    stored = []
    for name, (size, tags, visibility) in files.items():
        file = {"image": (name, image_bytes("PNG", size))}
        done = await admin.client.post("/v1/images", files=file, data={"tags": tags, "visibility": visibility})
        assert done.status_code == 201, done.text
        stored.append(done.json()["id"])
    await admin.client.delete(f"/v1/images/{stored[0]}/tags/animal")
    await admin.client.delete(f"/v1/images/{stored[-1]}")
    return stored[0], stored[1]


async def _recorded_request(admin: Account) -> str:
    """Return the id of a failed request with a long path. The record follows the response after a moment."""
    assert (await admin.client.get(f"/{'nowhere' * 100}")).status_code == 404
    async with asyncio.timeout(30):
        while True:
            page = await admin.client.get("/v1/ops/requests", params={"limit": 1, "status": "404"})
            if page.is_success and (items := page.json()["items"]):
                return str(items[0]["event_id"])
            await asyncio.sleep(0.1)
