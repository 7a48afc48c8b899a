"""HEIC files: their detection, and files that are cut or changed."""

import random
from collections.abc import AsyncIterator

import pytest

from app.core.errors import UnsupportedMediaType
from app.media.decoder_pool import DecoderInput, DecoderPool
from app.media.errors import ImageTooLarge, InvalidImage
from app.media.image_header import HeaderReader
from tests.media.corpus import encoded, heic_files, noise, patches
from tests.support.heic import with_brands


@pytest.fixture
async def decoders() -> AsyncIterator[DecoderPool]:
    decoders = DecoderPool(1, 10**8, 9)
    yield decoders
    await decoders.close()


def input_of(body: bytes) -> DecoderInput:
    """Return the file as a job for a decoder. Raises what its header deserves."""
    reader = HeaderReader(10**8)
    header = reader.feed(body) or reader.finish()
    return DecoderInput(header.content_type, len(body), [body])


@pytest.mark.parametrize(
    ("major", "compatible", "content_type"),
    [
        (b"heic", (b"mif1", b"heic", b"miaf"), "image/heic"),
        (b"heix", (b"mif1", b"heix", b"miaf"), "image/heic"),
        (b"mif1", (b"mif1", b"heic", b"miaf"), "image/heic"),
        (b"msf1", (b"mif1", b"hevc", b"heic"), "image/heic"),
        (b"heic", (b"mif1", b"avif", b"heic"), "image/heic"),
        (b"mif1", (b"mif1", b"avif", b"heic"), "image/avif"),
        (b"avif", (b"mif1", b"avif", b"miaf"), "image/avif"),
        (b"mif1", (b"mif1", b"miaf", b"miaf"), None),
        (b"isom", (b"mp41", b"mp42", b"isom"), None),
    ],
)
def test_the_brands_decide_the_type(major: bytes, compatible: tuple[bytes, ...], content_type: str | None) -> None:
    body = with_brands(encoded(patches(), "HEIC"), major, *compatible)
    if content_type is None:
        with pytest.raises(UnsupportedMediaType):
            input_of(body)
    else:
        assert input_of(body).content_type == content_type


@pytest.mark.parametrize("options", [{}, {"tile_size": 64}, {"thumbnails": [64]}], ids=str)
async def test_a_truncated_file_is_refused(decoders: DecoderPool, options: dict[str, object]) -> None:
    body = encoded(noise(), "HEIC", **options)
    await decoders.check(input_of(body))
    for length in range(16, len(body), len(body) // 40):
        with pytest.raises(InvalidImage):
            await decoders.check(input_of(body[:length]))
    with pytest.raises(InvalidImage):
        await decoders.check(input_of(body[:-1]))


@pytest.mark.parametrize("mutations", [150, pytest.param(2000, marks=pytest.mark.slow)])
async def test_a_changed_file_is_refused_or_has_its_thumbnail(decoders: DecoderPool, mutations: int) -> None:
    """Any other error than those of the file, such as a decoder that is busy, fails the test."""
    chance = random.Random(265)
    files = [file.body for file, _ in heic_files() if len(file.body) < 20_000]
    accepted = 0
    for _ in range(mutations):
        body = bytearray(chance.choice(files))
        # Most changes hit the boxes before the coded data.
        end = chance.choice((600, 600, len(body)))
        for at in chance.sample(range(8, min(end, len(body))), chance.choice((1, 2, 8))):
            body[at] = chance.choice((0, 255, body[at] ^ 1 << chance.randrange(8)))
        try:
            file = input_of(bytes(body))
            await decoders.check(file)
        except (InvalidImage, ImageTooLarge, UnsupportedMediaType):
            continue
        await decoders.make_thumbnail(file, 160)
        accepted += 1
    assert mutations / 10 < accepted < mutations * 9 / 10
