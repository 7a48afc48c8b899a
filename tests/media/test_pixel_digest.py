"""Digests of pixels: equal for the same picture in any format, orientation and mode."""

import io

import pytest
from PIL import Image, PngImagePlugin

from app.media.decoding.exif import displayed_size, upright
from app.media.decoding.opening import open_picture
from app.media.decoding.png import PngStream
from app.media.hashing import pixel_digest
from app.media.hashing.pixel_digest import digest_pixels, stored_box
from tests.similarity.photographs import photograph

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def _configured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Open PNG files as the decoder process does."""
    monkeypatch.setattr(PngImagePlugin, "PngStream", PngStream)


def digest(body: bytes, kind: str) -> bytes:
    return digest_pixels(open_picture(kind, io.BytesIO(body)))


def saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def test_the_format_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = digest(photograph(), "PNG")
    assert digest(photograph(kind="WEBP", lossless=True), "WEBP") == expected
    assert digest(photograph(compress_level=1), "PNG") == expected
    # Strips of seven rows.
    monkeypatch.setattr(pixel_digest, "STRIP_PIXELS", 7 * 150)
    assert digest(photograph(), "PNG") == expected


def test_one_other_pixel_counts() -> None:
    picture = Image.open(io.BytesIO(photograph()))
    expected = digest(saved(picture, "PNG"), "PNG")
    picture.putpixel((149, 99), (0, 0, 0))
    assert digest(saved(picture, "PNG"), "PNG") != expected


def test_the_shape_counts() -> None:
    wide, high = (Image.new("RGB", size) for size in ((8, 4), (4, 8)))
    assert digest(saved(wide, "PNG"), "PNG") != digest(saved(high, "PNG"), "PNG")


def test_colours_of_transparent_pixels_do_not_count() -> None:
    red, blue = (Image.new("RGBA", (4, 4), (*colour, 0)) for colour in ((255, 0, 0), (0, 0, 255)))
    assert digest(saved(red, "PNG"), "PNG") == digest(saved(blue, "PNG"), "PNG")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_strips_of_every_orientation_are_those_of_the_upright_picture(orientation: int) -> None:
    stored = Image.open(io.BytesIO(photograph(size=(15, 10))))
    whole = upright(stored, orientation)
    height = displayed_size(stored.size, orientation)[1]
    strips = [
        upright(stored.crop(stored_box(stored.size, orientation, top, min(top + 4, height))), orientation)
        for top in range(0, height, 4)
    ]
    assert b"".join(strip.tobytes() for strip in strips) == whole.tobytes()
