"""Pages on slow networks, without scripts, with thousands of images, and by keys."""

from urllib.parse import urlsplit

import asyncpg
import pytest
from playwright.async_api import Browser, Page, Route, expect

from app.gallery.page_rendering import STATIC_VERSION
from app.gallery.service import PAGE_SIZE
from tests.gallery.conftest import DESKTOP, PHONE, MakePage, collect_faults
from tests.gallery.stored_rows import store_rows
from tests.images.files import noise_png
from tests.support.accounts import Account
from tests.support.photos import png
from tests.support.server import RunningService

pytestmark = pytest.mark.integration

MAX_BYTES = 60_000
# Of 3G: 50 KB/s, and 300 ms before the first byte.
SLOW_NETWORK = {"offline": False, "latency": 300, "downloadThroughput": 50_000, "uploadThroughput": 50_000}
# The first two rows on a phone.
FIRST_IMAGES = 4
# The constant of gallery.js.
MAX_IMAGES = 600
# Scrolls until no page follows, or the page has its greatest number of images. Returns the number of images.
SCROLL_TO_THE_END = """
    async (limit) => {
        const grid = document.getElementById("grid");
        const grows = () => new Promise((resolve) => {
            new MutationObserver((_, observer) => resolve(observer.disconnect())).observe(grid, { childList: true });
        });
        while (grid.children.length < limit && document.getElementById("more")) {
            const grown = grows();
            document.getElementById("more").scrollIntoView();
            await grown;
        }
        return grid.children.length;
    }
"""
BLOCKED = "net::ERR_BLOCKED_BY_CLIENT"
TRANSFERRED = """
    [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
        .filter(({ name }) => !name.includes("/thumbnail"))
        .map(({ name, encodedBodySize }) => [new URL(name).pathname, encodedBodySize])
"""


async def answer_thumbnails(page: Page) -> None:
    """Return one picture for every thumbnail, since the rows have no files."""
    picture = png()

    async def fulfil(route: Route) -> None:
        await route.fulfill(body=picture, content_type="image/png")

    await page.route("**/thumbnail*", fulfil)


async def test_the_first_page_is_below_60_kilobytes(
    sql: asyncpg.Connection, open_page: MakePage, user: Account
) -> None:
    await store_rows(sql, PAGE_SIZE + 1, ("cat", "a longer tag", "holiday", "ünïcode tag"))
    page = await open_page(user, "/", DESKTOP)
    await expect(page.locator("#grid li")).to_have_count(PAGE_SIZE)
    await page.wait_for_load_state("networkidle")
    transferred = await page.evaluate(TRANSFERRED)
    paths = {path for path, _ in transferred}
    names = ("gallery.css", "gallery.js", "selection.js", "session.js", "completion.js")
    assert {"/", *(f"/static/{STATIC_VERSION}/{name}" for name in names)} <= paths
    assert sum(size for _, size in transferred) < MAX_BYTES, transferred


async def test_the_first_thumbnails_precede_the_scripts_on_a_slow_network(
    chrome: Browser, service: RunningService, user: Account
) -> None:
    for number in range(8):
        file = {"image": (f"{number}.png", noise_png(150_000))}
        assert (await user.client.post("/v1/images", files=file)).is_success
    context = await chrome.new_context(base_url=service.url, viewport=PHONE)  # type: ignore[arg-type]
    page = await context.new_page()
    session = await context.new_cdp_session(page)
    await session.send("Network.enable")
    await session.send("Network.emulateNetworkConditions", SLOW_NETWORK)
    finished: list[str] = []
    page.on("requestfinished", lambda request: finished.append(urlsplit(request.url).path))
    await page.goto("/", wait_until="networkidle")
    await context.close()
    kinds = ["thumbnail" if path.endswith("/thumbnail") else path for path in finished]
    before_scripts = kinds[: min(at for at, kind in enumerate(kinds) if kind.endswith(".js"))]
    assert before_scripts.count("thumbnail") >= FIRST_IMAGES, kinds


async def test_search_pages_and_download_work_without_scripts(
    sql: asyncpg.Connection, chrome: Browser, service: RunningService, user: Account, photo: bytes
) -> None:
    await store_rows(sql, PAGE_SIZE + 1)
    stored = await user.client.post("/v1/images", files={"image": ("dog.png", photo)}, data={"tags": "dog"})
    assert stored.is_success
    context = await chrome.new_context(base_url=service.url, java_script_enabled=False)
    page = await context.new_page()
    await page.goto("/")
    await page.get_by_label("Search by tags").fill("cat")
    await page.get_by_role("button", name="Search").click()
    await expect(page.locator("#grid li")).to_have_count(PAGE_SIZE)
    await page.get_by_role("link", name="More images").click()
    await expect(page.locator("#grid li")).to_have_count(1)
    await page.get_by_label("Search by tags").fill("dog")
    await page.keyboard.press("Enter")
    await page.locator("#grid a").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("dog.png")
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Download").click()
    assert (await (await download.value).path()).read_bytes() == photo
    # No control is shown that needs scripts.
    assert await page.get_by_role("button").all_inner_texts() == ["Search"]
    await context.close()


@pytest.mark.parametrize(
    "images", [12 * PAGE_SIZE, pytest.param(100_000, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])]
)
async def test_the_document_stays_small_while_scrolling(
    sql: asyncpg.Connection, open_page: MakePage, images: int
) -> None:
    await store_rows(sql, images)
    page = await open_page(None, "/robots.txt", DESKTOP)
    faults = collect_faults(page)
    session = await page.context.new_cdp_session(page)
    await session.send("Network.enable")
    # The rows have no files, and a test that answers 100,000 requests is slow.
    await session.send("Network.setBlockedURLs", {"urls": ["*/thumbnail*"]})
    await page.goto(urlsplit(page.url)._replace(path="/").geturl())
    seen, nodes, heap = 0, [], []
    while True:
        seen += await page.evaluate(SCROLL_TO_THE_END, MAX_IMAGES)
        nodes.append(await page.evaluate("document.getElementsByTagName('*').length"))
        await session.send("HeapProfiler.collectGarbage")
        heap.append((await session.send("Runtime.getHeapUsage"))["usedSize"])
        if not await page.locator("#more").count():
            break
        async with page.expect_navigation():
            await page.locator("#more").click()
    print(f"{seen} images; at most {max(nodes)} elements and {max(heap) / 1e6:.1f} MB of JavaScript heap")  # noqa: T201
    assert (seen, [fault for fault in faults if BLOCKED not in fault]) == (images, [])
    assert max(nodes) < 4 * MAX_IMAGES


async def test_keys_move_through_the_grid_and_the_images(sql: asyncpg.Connection, open_page: MakePage) -> None:
    await store_rows(sql, 3)
    page = await open_page(None, "/?q=cat&sort=created", DESKTOP)
    await answer_thumbnails(page)
    links = page.locator("#grid a")
    await expect(page.get_by_role("combobox")).to_be_attached()
    for key, at in (("j", 0), ("ArrowRight", 1), ("j", 2), ("k", 1), ("ArrowLeft", 0)):
        await page.keyboard.press(key)
        await expect(links.nth(at)).to_be_focused()
    await page.keyboard.press("/")
    await expect(page.get_by_label("Search by tags")).to_be_focused()
    # Keys are text in a field.
    await page.keyboard.type("?")
    await expect(page.get_by_role("dialog")).to_be_hidden()
    await page.keyboard.press("Backspace")
    await links.first.focus()
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    await page.keyboard.press("Escape")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text("picture 1.png")
    await expect(page.get_by_role("combobox", name="Search")).to_be_attached()
    await page.keyboard.press("j")
    await expect(page.get_by_role("heading", level=1)).to_have_text("picture 2.png")
    await expect(page.get_by_role("combobox", name="Search")).to_be_attached()
    await page.keyboard.press("ArrowLeft")
    await expect(page.get_by_role("heading", level=1)).to_have_text("picture 1.png")
