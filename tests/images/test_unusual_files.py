"""Files that cameras, phones and old programs write, and that browsers show."""

import asyncio
import io
import struct

import httpx
import pytest
from PIL import Image

from app.core.settings import Settings
from tests.support.accounts import Account
from tests.support.photos import image_bytes
from tests.support.server import running_service

pytestmark = pytest.mark.integration

SEGMENT = b"\xff\xe1\xff\xff" + bytes(65533)
JPEG = image_bytes("JPEG", (60, 40))


async def upload(account: Account, body: bytes, name: str = "a") -> httpx.Response:
    return await account.client.post("/v1/images", files={"image": (name, body)}, timeout=60)


async def assert_complete(account: Account, response: httpx.Response, size: tuple[int, int]) -> None:
    """The image has this size, its bytes, and every thumbnail."""
    assert response.status_code == 201, response.text
    image = response.json()
    assert (image["width"], image["height"]) == size
    for side in (160, 320, 640, 1280):
        thumbnail = await account.client.get(image["links"]["thumbnail"].partition("?")[0], params={"size": side})
        assert thumbnail.status_code == 200, thumbnail.text
        assert Image.open(io.BytesIO(thumbnail.content)).size == size


@pytest.mark.parametrize("segments", [16, 100])
async def test_f25_metadata_of_any_size_may_precede_the_frame(user: Account, segments: int) -> None:
    """16 segments are a megabyte, as of phones' depth maps; 100 do not fit one part of the object store."""
    await assert_complete(user, await upload(user, JPEG[:2] + SEGMENT * segments + JPEG[2:]), (60, 40))


async def test_f7_a_header_without_an_end_is_422(user: Account) -> None:
    bodies = [b"\xff\xd8" + b"\xff" * 1_048_586, b"\xff\xd8" + b"\xff\xe1\0\2" * 300_000] * 3
    responses = await asyncio.gather(*(upload(user, body, str(number)) for number, body in enumerate(bodies)))
    assert [response.status_code for response in responses] == [422] * 6
    assert {response.json()["type"] for response in responses} == {"/problems/invalid-image"}


def with_stray_bytes(stray: bytes) -> bytes:
    """The picture with bytes between its first segment and its tables."""
    end = 4 + struct.unpack_from(">H", JPEG, 4)[0]
    return JPEG[:end] + stray + JPEG[end:]


@pytest.mark.parametrize("stray", [b"\0", b"\xff\0", b"\xff\xff\xff", b"stray bytes"], ids=repr)
async def test_f33_stray_bytes_between_jpeg_segments_are_skipped(
    settings: Settings, user: Account, stray: bytes
) -> None:
    body = with_stray_bytes(stray)
    response = await upload(user, body)
    await assert_complete(user, response, (60, 40))
    async with running_service(settings.model_copy(update={"strip_metadata": True})) as stripping:
        content = await user.client.get(stripping.url + response.json()["links"]["content"])
        assert content.status_code == 200, content.text
        assert Image.open(io.BytesIO(content.content)).tobytes() == Image.open(io.BytesIO(JPEG)).tobytes()


async def test_f5_a_megabyte_of_fill_bytes_is_stripped(settings: Settings, user: Account) -> None:
    scan = JPEG.rindex(b"\xff\xda")
    response = await upload(user, JPEG[:scan] + b"\xff" * (1 << 20) + JPEG[scan:])
    assert response.status_code == 201, response.text
    async with running_service(settings.model_copy(update={"strip_metadata": True})) as stripping:
        content = await user.client.get(stripping.url + response.json()["links"]["content"])
        assert content.status_code == 200, content.text
        assert len(content.content) < 2 * len(JPEG)
        assert Image.open(io.BytesIO(content.content)).tobytes() == Image.open(io.BytesIO(JPEG)).tobytes()


@pytest.mark.parametrize("screen", [(10, 10), (0, 0), (80, 0)])
async def test_f35_a_gif_frame_enlarges_its_screen(user: Account, screen: tuple[int, int]) -> None:
    body = image_bytes("GIF", (80, 40))
    await assert_complete(user, await upload(user, body[:6] + struct.pack("<HH", *screen) + body[10:]), (80, 40))


async def test_f35_the_offset_of_a_gif_frame_counts(user: Account) -> None:
    body = image_bytes("GIF", (80, 40))
    frame = body.index(b",", 13 + (3 << ((body[10] & 7) + 1) if body[10] & 0x80 else 0))
    moved = body[:6] + bytes(4) + body[10 : frame + 1] + struct.pack("<HH", 5, 7) + body[frame + 5 :]
    await assert_complete(user, await upload(user, moved), (85, 47))
