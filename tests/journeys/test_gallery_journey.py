"""A stranger in a real browser: uploads pictures over a connection that breaks, finds, corrects and restores them."""

import asyncio
import re
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urljoin

import pytest
from playwright.async_api import BrowserContext, Page, expect

from tests.images.files import noise_png
from tests.support.accounts import PASSWORD
from tests.support.browser import chromium
from tests.support.photos import png
from tests.support.server import RunningService
from tests.support.tcp_proxy import FaultProxy, fault_proxy

# Above the chunk of an upload, so that a broken connection is in its midst.
LARGE_BYTES = 20_000_000
SIZES = {"desktop": (1280, 850), "phone": (390, 844)}


@pytest.fixture
async def proxy(service: RunningService) -> AsyncIterator[FaultProxy]:
    """A connection to the service that can break."""
    async with fault_proxy(service.url.removeprefix("http://")) as proxy:
        yield proxy


async def open_page(context: BrowserContext, address: str, faults: list[str]) -> Page:
    page = await context.new_page()
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("dialog", lambda dialog: asyncio.ensure_future(dialog.accept()))
    await page.goto(f"http://{address}/")
    return page


async def sign_up(page: Page) -> None:
    await page.goto(urljoin(page.url, "/sign-up"))
    await page.get_by_label("E-mail").fill(f"{uuid.uuid4().hex}@example.com")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign up").click()
    await expect(page.get_by_role("button", name="Sign out")).to_be_visible()


async def search(page: Page, query: str) -> None:
    await page.get_by_label("Search by tags").fill(query)
    await page.keyboard.press("Enter")
    await page.wait_for_url(re.compile(r"/\?q="))


async def upload_over_a_broken_connection(page: Page, proxy: FaultProxy, files: list[Path]) -> None:
    await page.get_by_role("link", name="Upload", exact=True).click()
    await page.get_by_label("Tags for these pictures").fill("holiday")
    # Else the large file may be stored before the connection breaks.
    proxy.set(bytes_per_second=8_000_000)
    await page.set_input_files("#chosen-files", files)
    await expect(page.locator("#files progress[value]:not([value='0'])").first).to_be_attached()
    proxy.cut()
    proxy.set()
    await expect(page.get_by_role("link", name=re.compile("^Stored$"))).to_have_count(3, timeout=60_000)


async def tag_and_undo(page: Page) -> None:
    await search(page, "holiday")
    await expect(page.locator("#grid li")).to_have_count(3)
    await page.get_by_role("button", name="Select", exact=True).click()
    await page.get_by_role("button", name="Select all shown").click()
    await page.locator("#bulk-tags").fill("winter")
    await page.locator("#bulk-add").click()
    await expect(page.locator("#messages")).to_contain_text("Changed 3 images")
    await page.get_by_role("button", name="Undo").click()
    await expect(page.locator("#messages")).to_contain_text("Reverted 3")
    await search(page, "winter")
    await expect(page.locator("#grid li")).to_have_count(0)


async def accept_suggestion(page: Page) -> None:
    """Accept the tag that the other picture has; the history names its source."""
    await search(page, "holiday name:second*")
    await page.locator("#grid a").click()
    await page.get_by_role("button", name="+ beach").click()
    await expect(page.locator("#tags")).to_contain_text("beach")
    await page.reload()
    await expect(page.get_by_text(re.compile("^suggestion"))).to_be_visible()


@pytest.mark.parametrize("device", SIZES)
@pytest.mark.timeout(240)
async def test_a_stranger_organises_pictures(proxy: FaultProxy, tmp_path: Path, device: str) -> None:
    width, height = SIZES[device]
    files = {"small.png": png(), "second.png": png(), "large.png": noise_png(LARGE_BYTES)}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    faults: list[str] = []
    async with chromium() as browser:
        context = await browser.new_context(viewport={"width": width, "height": height})
        page = await open_page(context, proxy.address, faults)
        await sign_up(page)

        await upload_over_a_broken_connection(page, proxy, [tmp_path / name for name in files])
        await tag_and_undo(page)

        await search(page, "holiday name:small*")
        await page.locator("#grid a").click()
        await page.get_by_label("Add tags").fill("beach")
        await page.keyboard.press("Enter")
        await expect(page.locator("#tags")).to_contain_text("beach")
        await page.get_by_role("button", name="Remove the tag holiday").click()
        await expect(page.locator("#tags")).not_to_contain_text("holiday")
        await page.get_by_role("button", name="Undo").click()
        await expect(page.locator("#tags")).to_contain_text("holiday")
        await page.get_by_role("button", name="Make private").click()
        await expect(page.get_by_role("button", name="Make public")).to_be_visible()
        private = page.url

        await page.get_by_role("button", name="Move to the trash").click()
        await expect(page.locator("#messages")).to_contain_text("in the trash")
        await page.get_by_role("link", name="Trash", exact=True).click()
        await page.get_by_role("button", name="Restore").click()
        await expect(page.locator("#messages")).to_contain_text("restored")
        await page.goto(private)
        await expect(page.locator("#tags")).to_contain_text("beach")

        await search(page, "holiday")
        await page.get_by_label("Narrow the search").get_by_role("link", name="beach").click()
        await expect(page.locator("#grid li")).to_have_count(1)
        await accept_suggestion(page)

        stranger = await open_page(await browser.new_context(), proxy.address, faults)
        refused = await stranger.goto(private)
        assert refused is not None
        assert refused.status == 404
    assert faults == []


async def test_search_works_without_scripts(service: RunningService) -> None:
    async with chromium() as browser:
        context = await browser.new_context(java_script_enabled=False)
        page = await context.new_page()
        await page.goto(service.url)
        await page.get_by_label("Search by tags").fill("nothing or cat")
        await page.get_by_role("button", name="Search").click()
        await expect(page.locator("main")).to_contain_text("OR")
        await page.locator("main li a").first.click()
        assert "OR" in page.url
