"""The displayed image: its size, its colours and its completeness."""

import io
import struct
import zlib
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.images.hostile import png_of, zeros
from tests.media import profiles
from tests.media.corpus import (
    EXIF_DATA,
    MediaFile,
    chunk,
    encoded,
    exif,
    noise,
    packed_grey,
    png_file,
    segment,
    with_chunks,
    with_segments,
    with_wrong_sum,
)
from tests.support.accounts import Account
from tests.support.photos import png

pytestmark = pytest.mark.integration

SIDE = 8000
SIZES = (160, 320, 640, 1280)


async def upload(user: Account, body: bytes, name: str = "a.png") -> httpx.Response:
    return await user.client.post("/v1/images", files={"image": (name, body)}, timeout=60)


async def stored(user: Account, body: bytes, name: str = "a.png") -> dict[str, Any]:
    response = await upload(user, body, name)
    assert response.status_code == 201, response.text
    image: dict[str, Any] = response.json()
    return image


async def thumbnail(user: Account, image: dict[str, Any], size: int = 160) -> Image.Image:
    made = await user.client.get(image["links"]["thumbnail"], params={"size": size}, timeout=60)
    assert made.status_code == 200, made.text
    return Image.open(io.BytesIO(made.content))


def close(one: object, other: tuple[int, ...], by: int = 4) -> bool:
    return isinstance(one, tuple) and all(abs(a - b) <= by for a, b in zip(one, other, strict=True))


def turned(extra: bytes = b"") -> bytes:
    """Return a JPEG of 60 x 40, red above blue as stored, with orientation 6: blue is left when it is upright."""
    picture = Image.new("RGB", (60, 40), (200, 30, 30))
    picture.paste((30, 30, 200), (0, 20, 60, 40))
    jpeg = encoded(picture, "JPEG", quality=95)
    return with_segments(jpeg, segment(0xE1, b"Exif\0\0" + exif(6, extra)))


@pytest.mark.parametrize(
    "extra",
    [struct.pack("<HHII", 0x011A, 10, 1, EXIF_DATA), struct.pack("<HHIi", 0x0100, 9, 1, -5)],
    ids=["XResolution of -1/0", "ImageWidth of -5"],
)
async def test_f27_orientation_is_read_beside_odd_values(user: Account, extra: bytes) -> None:
    image = await stored(user, turned(extra), "a.jpg")
    made = (await thumbnail(user, image)).convert("RGB")
    assert made.size == (40, 60)
    assert close(made.getpixel((8, 30)), (30, 30, 200), 12)
    assert close(made.getpixel((32, 30)), (200, 30, 30), 12)


def large_png(mode: str) -> bytes:
    """Return a PNG of 64 megapixels."""
    bits, colour, row, chunks = {
        "RGBA": (8, 6, 4 * SIDE, []),
        "LA": (8, 4, 2 * SIDE, []),
        "16-bit grey": (16, 0, 2 * SIDE, []),
        "palette with transparency": (8, 3, SIDE, [chunk(b"PLTE", bytes(6)), chunk(b"tRNS", b"\x7f")]),
        "RGB with a colour key": (8, 2, 3 * SIDE, [chunk(b"tRNS", bytes(6))]),
    }[mode]
    megabytes = ((row + 1) * SIDE >> 20) + 1
    return png_of(SIDE, SIDE, *chunks, data=zeros(megabytes << 20), bits=bits, colour=colour)


@pytest.mark.parametrize(
    "mode",
    [
        pytest.param("RGBA", marks=pytest.mark.slow),
        pytest.param("LA", marks=pytest.mark.slow),
        "16-bit grey",
        "palette with transparency",
        pytest.param("RGB with a colour key", marks=pytest.mark.slow),
    ],
)
async def test_f28_large_pictures_of_any_mode_have_thumbnails(user: Account, mode: str) -> None:
    image = await stored(user, large_png(mode))
    assert (await thumbnail(user, image, 1280)).size == (1280, 1280)


async def test_f29_profile_is_applied_beside_alpha(user: Account) -> None:
    picture = Image.new("RGBA", (200, 100), (200, 100, 60, 255))
    picture.paste((200, 100, 60, 128), (100, 0, 200, 100))
    image = await stored(user, encoded(picture, "PNG", icc_profile=profiles.display_p3()))
    made = (await thumbnail(user, image)).convert("RGBA")
    assert close(made.getpixel((40, 40)), (217, 93, 44, 255), 6)
    assert close(made.getpixel((120, 40)), (217, 93, 44, 128), 6)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("mode", ["L", "LA"])
async def test_f30_grey_profile_is_applied(user: Account, kind: str, mode: str) -> None:
    if (kind, mode) == ("JPEG", "LA"):
        pytest.skip("no such JPEG")
    picture = Image.new("L", (64, 64), 55).convert(mode)
    image = await stored(user, encoded(picture, kind, icc_profile=profiles.linear_grey()))
    made = (await thumbnail(user, image)).convert("RGB")
    assert close(made.getpixel((32, 32)), (127, 127, 127))


async def test_f31_colour_key_leaves_no_fringe(user: Account) -> None:
    picture = Image.new("RGB", (640, 640), (255, 0, 255))
    picture.paste((0, 160, 0), (163, 163, 477, 477))
    key = chunk(b"tRNS", struct.pack(">HHH", 255, 0, 255))
    image = await stored(user, with_chunks(encoded(picture, "PNG"), key))
    made = (await thumbnail(user, image)).convert("RGBA")
    assert made.getchannel("A").getpixel((5, 5)) == 0
    red, alpha = (made.getchannel(name).tobytes() for name in "RA")
    visible = [sample for sample, opacity in zip(red, alpha, strict=True) if opacity > 40]
    assert visible
    assert max(visible) < 40


async def test_f31_key_of_four_bit_grey_is_transparent(user: Account) -> None:
    body = png_file(4, 0, packed_grey(4), chunk(b"tRNS", struct.pack(">H", 15)), width=200)
    made = (await thumbnail(user, await stored(user, body))).convert("RGBA")
    corners = [made.getchannel("A").getpixel((x, y)) for x in (20, 140) for y in (20, 110)]
    assert corners == [255, 255, 255, 0]


@pytest.mark.parametrize("name", ["zTXt", "iTXt", "iCCP", "tEXt"])
async def test_f32_ancillary_chunks_decide_nothing(user: Account, name: str) -> None:
    content = zlib.compress(bytes(3 << 19))
    data = {"iTXt": b"a\0\1\0\0\0" + content, "tEXt": b"a\0" + bytes(3 << 19)}.get(name, b"a\0\0" + content)
    body = with_chunks(png((32, 32)), chunk(name.encode(), data))
    assert (await thumbnail(user, await stored(user, body))).size == (32, 32)
    damaged = with_chunks(png((32, 32)), chunk(name.encode(), b"a\0b", 1))
    assert (await thumbnail(user, await stored(user, damaged, "b.png"))).size == (32, 32)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}], ids=str)
async def test_f34_pixels_decide_and_not_the_end_marker(user: Account, options: dict[str, object]) -> None:
    jpeg = encoded(noise(), "JPEG", **options)
    scan = jpeg.index(b"\xff\xda")
    half = (len(jpeg) - scan) // 2
    whole = [jpeg[:-2], jpeg[:-2] + bytes(range(256)) * 80, jpeg + bytes(range(256)) * 80]
    cut = [jpeg[: scan + half], jpeg[: scan + half] + b"\xff\xd9", jpeg[: scan + 200] + jpeg[scan + 200 + half :]]
    for number, body in enumerate(whole):
        assert (await thumbnail(user, await stored(user, body, f"{number}.jpg"))).size == (160, 128)
    for body in cut:
        refused = await upload(user, body, "cut.jpg")
        assert (refused.status_code, refused.json()["type"]) == (422, "/problems/invalid-image")


async def test_f34_rows_of_other_formats_decide(user: Account) -> None:
    rows = [bytes(range(200))] * 160
    gif = encoded(noise(), "GIF")
    for file in (
        MediaFile("rows.png", "PNG", png_file(8, 0, rows, width=200, missing=1)),
        MediaFile("cut.gif", "GIF", gif[: len(gif) // 2] + b"\0;"),
    ):
        assert (await upload(user, file.body, file.name)).status_code == 422
    assert (await upload(user, encoded(noise(), "PNG")[:-12], "whole.png")).status_code == 201


async def test_f34_a_wrong_sum_behind_the_pixels_costs_no_row(user: Account) -> None:
    """The last of 150 rows, which are not scaled, is shown."""
    rows = [bytes(range(100))] * 149 + [b"\xff" * 100]
    body = with_wrong_sum(png_file(8, 0, rows, width=100))
    made = (await thumbnail(user, await stored(user, body))).convert("RGB")
    assert made.size == (100, 150)
    assert close(made.getpixel((5, 149)), (255, 255, 255), 40)
    without_it = with_wrong_sum(png_file(8, 0, rows, width=100, missing=1))
    assert (await upload(user, without_it, "cut.png")).status_code == 422


async def test_f36_dimensions_are_those_displayed(user: Account) -> None:
    image = await stored(user, turned(), "a.jpg")
    assert (image["width"], image["height"]) == (40, 60)
    found = await user.client.get("/v1/images", params={"q": "ratio:<1 width:40"})
    assert [one["id"] for one in found.json()["items"]] == [image["id"]]
    assert (found.json()["items"][0]["width"], found.json()["items"][0]["height"]) == (40, 60)
