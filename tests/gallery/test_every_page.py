"""Every page, signed in and not: axe-core, a validator of HTML, and the console of the browser.

`axe-core` and `html-validate` come from npm. The default run has one theme and one width.
"""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Page, Response, expect

from app.core.settings import Settings
from tests.gallery.conftest import DESKTOP, PHONE, collect_faults
from tests.gallery.site_pages import DASHBOARD, MAILED_LINKS, make_pages, sign_in
from tests.support.accounts import Account
from tests.support.node_packages import install_packages, run_in
from tests.support.server import RunningService, running_service

pytestmark = pytest.mark.integration

AXE, VALIDATOR = "axe-core@4", "html-validate@9"
AXE_RUN = "axe.run(document, {resultTypes: ['violations']})"
VALIDATOR_PRESETS = '{"root": true, "extends": ["html-validate:standard", "html-validate:a11y"]}'
SAFE = str.maketrans("/?", "--")
# The console repeats the status of a page or a file.
STATUS = "Failed to load resource"


async def find_violations(page: Page, axe: str) -> list[str]:
    """Run axe-core by the debugger, to which the content security policy of the page does not apply."""
    session = await page.context.new_cdp_session(page)
    await session.send("Runtime.evaluate", {"expression": axe})
    done = await session.send("Runtime.evaluate", {"expression": AXE_RUN, "awaitPromise": True, "returnByValue": True})
    await session.detach()
    violations: list[dict[str, Any]] = done["result"]["value"]["violations"]
    return [f"{one['id']}: {[node['target'] for node in one['nodes']]}" for one in violations]


async def inspect(context: BrowserContext, paths: list[str], axe: str, html: Path) -> list[str]:
    """Open the pages and return their faults. Their HTML goes to the folder `html`."""
    page, faults = await context.new_page(), []
    errors = collect_faults(page)
    # A page may show an error; its files have none.
    page.on("response", lambda one: errors.append(one.url) if one.status >= 400 and not is_document(one) else None)
    for path in paths:
        # The scripts of the grid and of an image add to the page. Those of `/ops` never end.
        response = await page.goto(path, wait_until="networkidle" if path.startswith(("/?", "/i/")) else "load")
        assert response is not None
        if path == DASHBOARD:
            await expect(page.locator("[data-requests=failed] tbody tr")).not_to_have_count(0)
        (html / f"{len(list(html.iterdir()))}{path.translate(SAFE)}.html").write_bytes(await response.body())
        found = [error for error in errors if not error.startswith(STATUS)] + await find_violations(page, axe)
        if await page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found.append("the page scrolls sideways")
        faults += [f"{path}: {fault}" for fault in found]
        errors.clear()
    return faults


def is_document(response: Response) -> bool:
    return response.request.resource_type == "document"


@pytest.mark.parametrize(
    ("theme", "size"),
    [
        pytest.param("light", DESKTOP, marks=pytest.mark.slow),
        pytest.param("light", PHONE, marks=pytest.mark.slow),
        pytest.param("dark", DESKTOP, marks=pytest.mark.slow),
        ("dark", PHONE),
    ],
)
@pytest.mark.timeout(240)
async def test_pages_are_accessible_and_valid_and_log_no_error(
    request: pytest.FixtureRequest,
    chrome: Browser,
    service: RunningService,
    settings: Settings,
    admin: Account,
    tmp_path: Path,
    theme: Any,
    size: dict[str, int],
) -> None:
    packages = await asyncio.to_thread(install_packages, request.config, AXE, VALIDATOR)
    axe = (packages / "node_modules/axe-core/axe.min.js").read_text()
    pages = await make_pages(admin)
    view: dict[str, Any] = {"color_scheme": theme, "viewport": size}
    async with (
        running_service(settings.model_copy(update={"gallery": False})) as plain,
        await chrome.new_context(base_url=service.url, **view) as visitor,
        await sign_in(chrome, service.url, settings, admin, **view) as member,
    ):
        without_gallery = [plain.url + path for path in ("/", *MAILED_LINKS)]
        found = await asyncio.gather(
            inspect(visitor, [*pages.for_visitors, *without_gallery], axe, tmp_path),
            inspect(member, pages.for_admins, axe, tmp_path),
        )
    faults = [fault for faults in found for fault in faults]
    assert not faults, "\n".join(faults)
    (tmp_path / ".htmlvalidate.json").write_text(VALIDATOR_PRESETS)
    code, output = await asyncio.to_thread(
        run_in, packages, "npx", "html-validate", "--formatter", "text", *sorted(tmp_path.glob("*.html"))
    )
    assert code == 0, output
