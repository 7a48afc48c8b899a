"""The page of uploads in Chromium: stored copies are shown before a file is sent."""

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.gallery.conftest import PHONE, MakePage, collect_faults
from tests.similarity.photographs import photograph
from tests.support.accounts import Account
from tests.support.photos import png

pytestmark = pytest.mark.integration


async def store(account: Account, name: str, content: bytes, visibility: str = "public") -> str:
    stored = await account.client.post(
        "/v1/images", files={"image": (name, content)}, data={"visibility": visibility, "tags": "cup"}
    )
    assert stored.status_code == 201, stored.text
    return str(stored.json()["id"])


async def images_of(account: Account) -> dict[str, Any]:
    items = (await account.client.get("/v1/images", params={"limit": 100})).json()["items"]
    return {one["name"]: one for one in items}


async def choose(page: Page, folder: Path, **files: bytes) -> None:
    for name, content in files.items():
        (folder / name).write_bytes(content)
    await page.set_input_files("#chosen-files", [folder / name for name in files])


async def test_copies_are_shown_and_skipped_or_sent(open_page: MakePage, user: Account, tmp_path: Path) -> None:
    same, near = photograph("chelsea"), photograph("coffee", size=(900, 600))
    stored = await store(user, "cat.png", same), await store(user, "cup.png", photograph("coffee"), "private")
    page = await open_page(user, "/upload", PHONE)
    faults = collect_faults(page)
    await page.get_by_label("Tags for these pictures").fill("holiday")
    # Larger than a sample, which the browser then scales.
    assert len(near) > 256 * 1024
    await choose(page, tmp_path, same=same, near=near, other=png())
    await expect(page.get_by_role("link", name=re.compile("^Stored$"))).to_have_count(1)
    for name, image in zip(("same", "near"), stored, strict=True):
        shown = page.get_by_role("list", name=f"Stored copies of {name}").get_by_role("link")
        await expect(shown).to_have_attribute("href", f"/i/{image}")
        await expect(shown.locator("img")).to_have_js_property("complete", value=True)
    assert set(await images_of(user)) == {"cat.png", "cup.png", "other"}
    assert await page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]

    await page.get_by_role("button", name="Skip same").click()
    await expect(page.get_by_role("link", name="Stored already")).to_be_visible()
    await page.get_by_role("button", name="Upload near all the same").click()
    await expect(page.get_by_role("link", name=re.compile("^Stored$"))).to_have_count(2)
    found = await images_of(user)
    assert set(found) == {"cat.png", "cup.png", "near", "other"}
    assert found["cat.png"]["tags"] == ["cup", "holiday"]
    assert faults == []


async def test_several_copies_are_decided_at_once(open_page: MakePage, user: Account, tmp_path: Path) -> None:
    files = {name: photograph(name) for name in ("chelsea", "coffee")}
    for name, content in files.items():
        await store(user, name, content)
    page = await open_page(user, "/upload", PHONE)
    await choose(page, tmp_path, **files)
    await expect(page.locator("#copies")).to_contain_text("2 files have stored copies")
    await page.get_by_role("button", name="Skip all").click()
    await expect(page.get_by_role("link", name="Stored already")).to_have_count(2)
    await expect(page.locator("#copies")).to_be_hidden()
    await choose(page, tmp_path, **files)
    await page.get_by_role("button", name="Upload all of them").click()
    await expect(page.get_by_role("link", name=re.compile("^Stored$"))).to_have_count(2)
    assert set(await images_of(user)) == {"chelsea", "chelsea (2)", "coffee", "coffee (2)"}
