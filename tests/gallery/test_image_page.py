"""The page of an image in Chromium: zoom, links to the file, and reverts of its history."""

import asyncio
import io

import httpx
import pytest
from PIL import Image
from playwright.async_api import Page, expect

from tests.gallery.conftest import DESKTOP, PHONE, MakePage, collect_faults
from tests.support.accounts import Account

pytestmark = pytest.mark.integration

SIDES = (2400, 1600)


def large_png() -> bytes:
    file = io.BytesIO()
    Image.linear_gradient("L").resize(SIDES).save(file, "PNG")
    return file.getvalue()


async def upload(account: Account, name: str, tags: str) -> str:
    stored = await account.client.post("/v1/images", files={"image": (name, large_png())}, data={"tags": tags})
    assert stored.status_code == 201, stored.text
    return str(stored.json()["id"])


async def wait_until(page: Page, script: str) -> None:
    """Wait until the expression is true. `wait_for_function` evaluates text in the page, which its policy forbids."""
    async with asyncio.timeout(30):
        while not await page.evaluate(script):
            await asyncio.sleep(0.05)


async def shown_width(page: Page) -> float:
    box = await page.locator("#zoom-view img").bounding_box()
    assert box
    return float(box["width"])


async def pinch(page: Page, spread_from: int, spread_to: int) -> None:
    """Move two fingers apart around the middle of the screen."""
    session = await page.context.new_cdp_session(page)
    for kind, spread in (("touchStart", spread_from), ("touchMove", spread_to), ("touchEnd", 0)):
        points = [{"x": 195 + side * spread, "y": 400, "id": side} for side in (-1, 1)] if spread else []
        await session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


async def test_a_picture_is_zoomed_by_keys_and_pans(open_page: MakePage, user: Account) -> None:
    image = await upload(user, "a.png", "cat")
    page = await open_page(None, f"/i/{image}", DESKTOP)
    faults = collect_faults(page)
    await page.keyboard.press("z")
    await expect(page.locator("#zoom-level")).to_have_text("50 %")
    assert await shown_width(page) < DESKTOP["width"]
    await page.keyboard.press("1")
    await expect(page.locator("#zoom-level")).to_have_text("100 %")
    assert await shown_width(page) == SIDES[0]
    before = await page.evaluate("document.getElementById('zoom-view').scrollLeft")
    await page.keyboard.press("ArrowRight")
    await wait_until(page, f"document.getElementById('zoom-view').scrollLeft > {before}")
    await page.mouse.move(600, 400)
    await page.mouse.down()
    await page.mouse.move(900, 400)
    await page.mouse.up()
    await wait_until(page, f"document.getElementById('zoom-view').scrollLeft < {before}")
    await page.get_by_role("button", name="Fit").click()
    await expect(page.locator("#zoom-level")).to_have_text("50 %")
    await page.keyboard.press("Escape")
    await expect(page.locator("#zoom")).not_to_be_visible()
    assert faults == []


async def test_a_picture_is_zoomed_by_pinching(open_page: MakePage, user: Account) -> None:
    image = await upload(user, "a.png", "cat")
    page = await open_page(None, f"/i/{image}", PHONE, has_touch=True, is_mobile=True)
    await page.locator(".picture figure a").tap()
    await expect(page.locator("#zoom-level")).to_have_text("16 %")
    before = await shown_width(page)
    await pinch(page, 50, 150)
    await wait_until(page, "document.querySelector('#zoom-view img').clientWidth > 800")
    assert await shown_width(page) == pytest.approx(3 * before, rel=0.05)
    assert await page.evaluate("visualViewport.scale") == 1
    await page.get_by_role("button", name="Close").tap()
    await expect(page.locator("#zoom")).not_to_be_visible()


async def test_a_link_to_the_file_needs_no_session(open_page: MakePage, user: Account) -> None:
    image = await upload(user, "a.png", "cat")
    await user.client.patch(f"/v1/images/{image}", json={"visibility": "private"})
    page = await open_page(user, f"/i/{image}", PHONE, permissions=["clipboard-read", "clipboard-write"])
    await page.get_by_role("button", name="Copy a link").click()
    await expect(page.locator("#messages")).to_contain_text("The link is copied")
    url = await page.evaluate("navigator.clipboard.readText()")
    assert await page.locator("#shared-link").input_value() == url
    async with httpx.AsyncClient() as stranger:
        response = await stranger.get(url)
    assert (response.status_code, response.content) == (200, large_png())


async def tags_of(account: Account, *images: str) -> list[list[str]]:
    found = await asyncio.gather(*(account.client.get(f"/v1/images/{image}") for image in images))
    return [one.json()["tags"] for one in found]


async def test_changes_are_reverted_one_by_one_and_by_batch(open_page: MakePage, user: Account) -> None:
    images = [await upload(user, f"{name}.png", "cat") for name in ("a", "b")]
    bulk = {"ids": images, "add": ["winter"], "remove": ["cat"]}
    assert (await user.client.post("/v1/images/tags", json=bulk)).json()["changed"] == 2
    page = await open_page(user, f"/i/{images[0]}", DESKTOP)
    faults = collect_faults(page)
    questions: list[str] = []

    async def accept(dialog: object) -> None:
        questions.append(dialog.message)  # type: ignore[attr-defined]
        await dialog.accept()  # type: ignore[attr-defined]

    page.on("dialog", lambda dialog: asyncio.ensure_future(accept(dialog)))
    await page.get_by_role("button", name="Revert all of this change").first.click()
    await expect(page.locator("#messages")).to_contain_text("Reverted the changes of 2 images.")
    assert questions == ["Revert the changes of 2 of 2 images?"]
    assert await tags_of(user, *images) == [["cat"], ["cat"]]
    await expect(page.locator("#tags")).to_contain_text("cat")
    await page.get_by_role("button", name="Undo").click()
    await expect(page.locator("#tags")).to_contain_text("winter")
    assert await tags_of(user, *images) == [["winter"], ["winter"]]

    await page.get_by_role("button", name="Revert winter").first.click()
    await expect(page.locator("#messages")).to_contain_text("Reverted the changes of 1 image.")
    await expect(page.locator("#tags")).to_have_text("No tags")
    assert await tags_of(user, *images) == [[], ["winter"]]
    await page.get_by_role("button", name="Undo").click()
    await expect(page.locator("#tags")).to_contain_text("winter")
    assert len(questions) == 1
    assert faults == []


async def test_only_the_owner_is_offered_reverts(open_page: MakePage, user: Account, admin: Account) -> None:
    image = await upload(admin, "a.png", "cat")
    page = await open_page(user, f"/i/{image}", DESKTOP)
    await expect(page.locator("#history li")).to_have_count(1)
    await expect(page.locator("[data-revert]")).to_have_count(0)
