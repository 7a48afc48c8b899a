"""Images in a real browser: display, download under the file name, revalidation."""

from pathlib import Path

from tests.images.files import noise_png
from tests.support.accounts import Account
from tests.support.browser import chromium
from tests.support.photos import image_bytes
from tests.support.server import RunningService

NAMES = ["naïve café.png", "猫とソファ.png", "🐈 on 🛋.png", "100% semi;colon='x'.png"]
NATURAL = "image => image.decode().then(() => [image.naturalWidth, image.naturalHeight])"


async def test_it_shows_every_format(service: RunningService, user: Account) -> None:
    async with chromium() as browser:
        page, alone = await browser.new_page(), await browser.new_page()
        for kind in ("PNG", "JPEG", "WEBP", "GIF", "AVIF"):
            files = {"image": (f"a.{kind}", image_bytes(kind, (40, 30)))}
            links = (await user.client.post("/v1/images", files=files)).json()["links"]
            for path in (links["content"], links["thumbnail"]):
                await page.set_content(f'<img src="{service.url}{path}">')
                assert await page.locator("img").evaluate(NATURAL) == [40, 30]
            # Opened by itself it is a picture too.
            await alone.goto(f"{service.url}{links['content']}")
            assert await alone.locator("img").evaluate(NATURAL) == [40, 30]


async def test_it_saves_under_the_names(service: RunningService, user: Account, tmp_path: Path) -> None:
    async with chromium() as browser:
        page = await browser.new_page()
        await page.goto(f"{service.url}/healthz")
        for name in NAMES:
            body = noise_png(100_000)
            links = (await user.client.post("/v1/images", files={"image": (name, body)})).json()["links"]
            await page.set_content(f'<a download href="{service.url}{links["content"]}?download=true">save</a>')
            async with page.expect_download() as saving:
                await page.click("a")
            saved = await saving.value
            assert saved.suggested_filename == name
            await saved.save_as(tmp_path / "saved")
            assert (tmp_path / "saved").read_bytes() == body


async def test_the_browser_revalidates_before_it_loads_again(service: RunningService, user: Account) -> None:
    links = (await user.client.post("/v1/images", files={"image": ("a.png", noise_png(50_000))})).json()["links"]
    fetched = "url => fetch(url, {cache: 'no-cache'}).then(response => response.blob()).then(blob => blob.size)"
    async with chromium() as browser:
        page = await browser.new_page()
        await page.goto(f"{service.url}/healthz")
        url = f"{service.url}{links['content']}"
        first = await page.evaluate(fetched, url)
        async with page.expect_response(url) as answering:
            assert await page.evaluate(fetched, url) == first
        # To the page it is a 200 from the cache; over the wire came a 304 without a body.
        sizes = await (await answering.value).request.sizes()
        assert sizes["responseBodySize"] == 0
