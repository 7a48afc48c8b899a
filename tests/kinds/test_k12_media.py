"""K12: files that viewers show are accepted and work in every later step: by format, against Chromium."""

import io
from collections.abc import AsyncIterator, Sequence

import httpx
import pytest
from PIL import Image
from playwright.async_api import Page

from app.media.decoder_pool import DecoderInput, DecoderPool
from app.media.errors import ImageTooLarge, InvalidImage
from tests.media import corpus
from tests.media.corpus import TYPES, MediaFile
from tests.media.rendered import Appearance, appearance, difference, draw
from tests.support.accounts import Account
from tests.support.browser import chromium

pytestmark = pytest.mark.integration

# Thumbnails are lossy.
DELTA_E = 3.0
SIZES = (160, 320, 640, 1280)


@pytest.fixture
async def decoders() -> AsyncIterator[DecoderPool]:
    decoders = DecoderPool(2, 10**8, 9)
    yield decoders
    await decoders.close()


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    async with chromium() as browser:
        yield await browser.new_page()


def input_of(file: MediaFile) -> DecoderInput:
    return DecoderInput(TYPES[file.kind], len(file.body), [file.body])


async def fault(decoders: DecoderPool, file: MediaFile, shown: Appearance, sizes: Sequence[int]) -> str | None:
    """Return the differences between the result of a decoder and of Chromium."""
    try:
        dimensions = (await decoders.check(input_of(file))).dimensions
        if dimensions != shown.size:
            return f"{dimensions} for {shown.size}"
        for size in sizes:
            thumbnail = Image.open(io.BytesIO(await decoders.make_thumbnail(input_of(file), size)))
            if problem := compare(thumbnail, shown, size):
                return problem
    except (InvalidImage, ImageTooLarge) as error:
        return repr(error)
    return None


def compare(thumbnail: Image.Image, shown: Appearance, size: int) -> str | None:
    fitted = max(shown.size) <= size or max(thumbnail.size) == size
    landscape = (shown.size[0] > shown.size[1]) == (thumbnail.width > thumbnail.height)
    if not (fitted and landscape):
        return f"{thumbnail.size} for {shown.size} at {size}"
    made = appearance(thumbnail)
    delta = difference(made, shown)
    return f"delta E {delta:.1f} at {size}: {made.pixels} for {shown.pixels}" if delta >= DELTA_E else None


async def faults(decoders: DecoderPool, page: Page, files: Sequence[MediaFile], sizes: Sequence[int]) -> dict[str, str]:
    drawn = await draw(page, files)
    assert sum(shown is not None for shown in drawn) > len(files) * 0.8
    found = {
        file.name: await fault(decoders, file, shown, sizes)
        for file, shown in zip(files, drawn, strict=True)
        if shown is not None
    }
    return {name: problem for name, problem in found.items() if problem}


async def test_k12_modes_and_orientations_are_as_in_chromium(decoders: DecoderPool, page: Page) -> None:
    files = [*corpus.modes(), *corpus.oriented()]
    assert await faults(decoders, page, files, [160]) == {}


async def test_k12_profiles_are_as_in_chromium(decoders: DecoderPool, page: Page) -> None:
    assert await faults(decoders, page, list(corpus.profiled()), [160]) == {}


async def test_k12_heic_files_look_like_the_pictures_they_were_made_of(decoders: DecoderPool) -> None:
    found = {}
    for file, shown in corpus.heic_files():
        found[file.name] = await fault(decoders, file, appearance(shown), [160])
    assert len(found) > 40
    assert {name: problem for name, problem in found.items() if problem} == {}


async def test_k12_harmless_damage_is_accepted(decoders: DecoderPool, page: Page) -> None:
    assert await faults(decoders, page, list(corpus.harmless()), [160]) == {}


async def test_k12_missing_pixels_are_refused(decoders: DecoderPool) -> None:
    accepted = []
    for file in corpus.cut():
        try:
            await decoders.check(input_of(file))
        except InvalidImage:
            continue
        accepted.append(file.name)
    assert accepted == []


async def test_k12_uploads_of_harmless_and_of_missing_pixels(user: Account) -> None:
    for file in (*list(corpus.harmless())[::5], *list(corpus.cut())[::5]):
        response = await upload(user, file)
        assert response.status_code == (201 if file.is_whole else 422), (file.name, response.text)


@pytest.mark.slow
async def test_k12_every_file_has_every_thumbnail(user: Account, page: Page) -> None:
    files = [*corpus.modes(), *corpus.oriented(), *corpus.profiled(), *corpus.harmless()]
    wrong = []
    for file, shown in zip(files, await draw(page, files), strict=True):
        if shown is None:
            continue
        response = await upload(user, file)
        assert response.status_code == 201, (file.name, response.text)
        image = response.json()
        assert (image["width"], image["height"]) == shown.size, file.name
        for size in SIZES:
            made = await user.client.get(image["links"]["thumbnail"], params={"size": size})
            assert made.status_code == 200, (file.name, made.text)
            if problem := compare(Image.open(io.BytesIO(made.content)), shown, size):
                wrong.append((file.name, problem))
    assert wrong == []


async def upload(user: Account, file: MediaFile) -> httpx.Response:
    return await user.client.post("/v1/images", files={"image": (file.name, file.body)}, timeout=60)
