"""Originals are served without metadata and with every pixel."""

import asyncio
import hashlib
import io
import random
import struct
from collections.abc import AsyncIterator, Iterator

import asyncpg
import httpx
import pytest
from PIL import Image, ImageCms, ImageOps, PngImagePlugin

from app.core.settings import Settings
from app.media.metadata_stripper import NEEDS_FIRST_PASS, STRIPPERS, Stripper, UnreadableStructure
from app.storage.chunks import PART_BYTES
from app.storage.object_store import ObjectStore
from tests.images.files import noise_jpeg
from tests.images.hostile import chunk, lies, strangers
from tests.support.accounts import Account
from tests.support.photos import image_bytes
from tests.support.server import running_service

CANARY = b"GPS-CANARY"
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>GPS-CANARY</x:xmpmeta>"
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
SIZES = (1, 7, 4096, 1 << 20)


def exif(orientation: int = 1) -> bytes:
    """An EXIF block with a place, a camera and an orientation."""
    block = Image.Exif()
    block[0x0112] = orientation
    block[0x010F] = CANARY.decode()
    gps = block.get_ifd(0x8825)
    gps[1], gps[2], gps[29] = "N", (48.0, 8.0, 14.0), CANARY.decode()
    return block.tobytes()


def strip(body: bytes, kind: str, size: int = 4096) -> bytes:
    """Strip a file that comes in chunks of this size."""
    first_pass = None
    for _ in range(1 + (kind in NEEDS_FIRST_PASS)):
        stripper = Stripper(kind, first_pass)
        pieces = [stripper.feed(body[start : start + size]) for start in range(0, len(body), size)]
        stripped = b"".join([*pieces, stripper.finish()])
        first_pass = stripper.first_pass
    return stripped


def photos() -> Iterator[tuple[str, str, bytes]]:
    """Files of every kind that can be stripped, each with the metadata to remove."""
    noise = Image.effect_noise((45, 35), 80)
    rgb = Image.merge("RGB", (noise, noise.rotate(90).resize(noise.size), noise.rotate(180)))
    for orientation in range(1, 9):
        metadata = {"exif": exif(orientation), "icc_profile": PROFILE}
        yield f"jpeg turned {orientation}", "image/jpeg", saved(rgb, "JPEG", **metadata, xmp=XMP, comment=CANARY)
        yield f"webp turned {orientation}", "image/webp", saved(rgb, "WEBP", **metadata, xmp=XMP)
        text = PngImagePlugin.PngInfo()
        text.add_text("Location", CANARY.decode())
        text.add_itxt("XML:com.adobe.xmp", XMP.decode())
        yield f"png turned {orientation}", "image/png", saved(rgb, "PNG", **metadata, pnginfo=text)
        for kind in ("AVIF", "HEIC"):
            yield f"{kind} turned {orientation}", f"image/{kind.lower()}", saved(rgb, kind, **metadata, xmp=XMP)
    heic = saved(rgba(rgb), "HEIC", exif=exif(), xmp=XMP)
    yield "see-through heic", "image/heic", heic
    yield "heic of tiles", "image/heic", saved(rgb.resize((200, 150)), "HEIC", exif=exif(), xmp=XMP, tile_size=64)
    video = struct.pack(">I4s", 8 + 100_000, b"mpvd") + CANARY * 10_000
    yield "heic with a video behind it", "image/heic", heic + video
    yield "heic with another behind it", "image/heic", heic + heic
    yield "heic with bytes behind it", "image/heic", heic + bytes(7) + CANARY
    location = b"\0\0\0\1uuid" + struct.pack(">Q", 16 + len(CANARY)) + CANARY
    yield "heic with a box of an unknown kind", "image/heic", heic + location
    yield "progressive jpeg", "image/jpeg", saved(rgb, "JPEG", progressive=True, exif=exif(6), restart_marker_rows=1)
    yield "cmyk jpeg", "image/jpeg", saved(rgb.convert("CMYK"), "JPEG", exif=exif(3), comment=CANARY)
    yield "grey jpeg", "image/jpeg", saved(noise, "JPEG", exif=exif(8))
    yield "lossless webp", "image/webp", saved(rgb, "WEBP", lossless=True, exif=exif(5))
    yield "see-through webp", "image/webp", saved(rgba(rgb), "WEBP", exif=exif(7), icc_profile=PROFILE)
    yield "see-through png", "image/png", saved(rgba(rgb), "PNG", exif=exif(2))
    yield "palette png", "image/png", saved(rgb.quantize(16), "PNG", exif=exif(4), transparency=3)
    frames = [rgb, rgb.rotate(180), rgb.rotate(90).resize(rgb.size)]
    moving = {"save_all": True, "append_images": frames[1:], "duration": 50}
    yield "moving webp", "image/webp", saved(rgb, "WEBP", exif=exif(6), xmp=XMP, **moving)
    yield "moving png", "image/png", saved(rgb, "PNG", exif=exif(6), **moving)
    plain = saved(rgb, "JPEG")
    segments = (b"\xff\xed", b"Photoshop 3.0\0" + CANARY), (b"\xff\xe0", b"JFXX\0\x10" + plain), (b"\xff\xef", CANARY)
    marked = b"".join(mark + struct.pack(">H", 2 + len(data)) + data for mark, data in segments)
    yield "jpeg with IPTC and a thumbnail", "image/jpeg", plain[:2] + marked + plain[2:]
    yield "jpeg with fill bytes", "image/jpeg", plain[:2] + b"\xff\xff\xff" + marked[1:] + plain[2:]
    end = b"\xff\xfe" + struct.pack(">H", 2 + len(CANARY)) + CANARY + b"\xff\xd9"
    yield "jpeg with a comment behind its scan", "image/jpeg", plain[:-2] + end
    yield "jpeg with another behind it", "image/jpeg", plain + saved(rgb, "JPEG", exif=exif())
    simple = saved(rgb, "PNG")
    yield "png with text at its end", "image/png", simple[:-12] + chunk(b"tEXt", b"a\0" + CANARY) + simple[-12:]
    yield "png with an unknown chunk", "image/png", simple[:33] + chunk(b"gpSa", CANARY) + simple[33:] + CANARY
    lossy = saved(rgb, "WEBP")
    odd = b"GPS " + struct.pack("<I", 11) + CANARY + b"!\0"
    grown = b"RIFF" + struct.pack("<I", len(lossy) - 8 + len(odd)) + lossy[8:] + odd
    yield "webp with an unknown chunk", "image/webp", grown
    yield "webp with something behind it", "image/webp", lossy + CANARY


def rgba(picture: Image.Image) -> Image.Image:
    return Image.merge("RGBA", (*picture.split(), Image.linear_gradient("L").resize(picture.size)))


def saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def frames_of(body: bytes) -> list[tuple[str, bytes]]:
    with Image.open(io.BytesIO(body)) as image:
        found = []
        for frame in range(getattr(image, "n_frames", 1)):
            image.seek(frame)
            found.append((image.mode, image.tobytes()))
        return found


def shown(body: bytes) -> tuple[tuple[int, int], bytes]:
    """Return size and pixels after the EXIF orientation is applied."""
    with Image.open(io.BytesIO(body)) as image:
        upright = ImageOps.exif_transpose(image)
        return upright.size, upright.convert("RGBA").tobytes()


def test_the_metadata_goes_and_the_pixels_stay(subtests: pytest.Subtests) -> None:
    # Parameters would be encoded by each worker on import, which takes half a second.
    for name, kind, body in photos():
        with subtests.test(name):
            assert_stripping_leaves_the_pixels(kind, body)


def assert_stripping_leaves_the_pixels(kind: str, body: bytes) -> None:
    stripped = strip(body, kind)
    assert {strip(body, kind, size) for size in SIZES} == {stripped}
    assert CANARY not in stripped
    assert b"xmpmeta" not in stripped
    assert shown(stripped) == shown(body)
    with Image.open(io.BytesIO(stripped)) as after, Image.open(io.BytesIO(body)) as before:
        assert after.info.get("icc_profile") == before.info.get("icc_profile")
        assert set(after.getexif()) <= {0x0112}
        assert after.info.get("transparency") == before.info.get("transparency")
        assert after.info.get("jfif_density") == before.info.get("jfif_density")
        frames = getattr(after, "n_frames", 1)
    # The second picture of a JPEG goes with the rest of its metadata.
    assert frames_of(stripped) == frames_of(body)[:frames]
    assert frames == 1 or kind != "image/jpeg"
    assert strip(stripped, kind) == stripped


def test_a_stripped_webp_has_the_right_length_and_chunks() -> None:
    for orientation, flag in ((1, 0), (6, 8)):
        body = saved(Image.new("RGB", (8, 8)), "WEBP", exif=exif(orientation), xmp=XMP)
        stripped = strip(body, "image/webp")
        assert int.from_bytes(stripped[4:8], "little") == len(stripped) - 8
        assert stripped[20] & 0x0C == flag


def test_hostile_structure_is_refused_or_followed_in_bounds() -> None:
    """Any input raises only UnreadableStructure, and no output is longer than its input."""
    chance = random.Random(4)
    # The longest are repetitions.
    hostile = [body[:100_000] for _, body, _ in (*lies(), *strangers())]
    for _, _, body in list(photos())[::3]:
        for _ in range(4):
            damaged = bytearray(body)
            for at in chance.sample(range(len(body)), 8):
                damaged[at] = chance.randrange(256)
            hostile.append(bytes(damaged[: chance.randrange(len(damaged))]))
        hostile.append(body[:40])
    for body in hostile:
        for kind in STRIPPERS:
            stripper = Stripper(kind)
            try:
                size = sum(len(stripper.feed(body[at : at + 1000])) for at in range(0, len(body), 1000))
                size += len(stripper.finish())
            except UnreadableStructure:
                continue
            # An EXIF block as short as can be may become one of the shortest that states the orientation.
            assert size <= len(body) + 64


@pytest.fixture
async def stripping(settings: Settings, object_store: ObjectStore, user: Account) -> AsyncIterator[httpx.AsyncClient]:
    """The user, at a service that strips."""
    await object_store.remove([one.key async for one in object_store.list_objects()])
    async with running_service(settings.model_copy(update={"strip_metadata": True})) as service:
        headers = {"Authorization": f"Bearer {user.access_token}"}
        async with httpx.AsyncClient(base_url=service.url, headers=headers, timeout=60) as client:
            yield client


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "avif", "heic"])
async def test_it_is_served_as_any_file(
    stripping: httpx.AsyncClient, user: Account, object_store: ObjectStore, sql: asyncpg.Connection, kind: str
) -> None:
    body = image_bytes(kind, (300, 200), exif=exif(6))
    expected = strip(body, f"image/{kind}")
    made = (
        await stripping.post("/v1/images", files={"image": (f"a.{kind}", body)}, data={"visibility": "private"})
    ).json()
    assert (made["size"], made["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())
    content = made["links"]["content"]
    responses = await asyncio.gather(*(stripping.get(content) for _ in range(12)))
    assert {response.content for response in responses} == {expected}
    assert len([one async for one in object_store.list_objects()]) == 2
    headers = responses[0].headers
    assert int(headers["content-length"]) == len(expected)
    assert headers["etag"] != (await user.client.get(content)).headers["etag"]
    head = await stripping.head(content)
    assert (head.headers["content-length"], head.headers["etag"]) == (headers["content-length"], headers["etag"])
    part = await stripping.get(content, headers={"Range": "bytes=30-49", "If-Range": headers["etag"]})
    assert (part.status_code, part.content) == (206, expected[30:50])
    assert part.headers["content-range"] == f"bytes 30-49/{len(expected)}"
    other = await stripping.get(content, headers={"Range": "bytes=30-49", "If-Range": f'"{made["sha256"]}"'})
    assert (other.status_code, other.content) == (200, expected)
    assert (await stripping.get(content, headers={"If-None-Match": headers["etag"]})).status_code == 304
    assert (await stripping.get(content, headers={"Range": f"bytes={len(expected)}-"})).status_code == 416
    async with httpx.AsyncClient() as anyone:
        url = (await stripping.get(f"{made['links']['self']}/url")).json()["url"]
        assert (await anyone.get(url)).content == expected
    # The stored file is what was sent.
    assert (await user.client.get(content)).content == body
    assert await sql.fetchval("SELECT count(*) FROM orphaned_objects") == 0
    assert (await stripping.delete(made["links"]["self"], params={"permanent": "true"})).status_code == 204
    assert [one async for one in object_store.list_objects()] == []


async def test_a_multipart_file_and_a_file_of_one_part(stripping: httpx.AsyncClient) -> None:
    large = noise_jpeg(2 * PART_BYTES + 100)
    large = large[:2] + b"\xff\xfe\x00\x0c" + CANARY + large[2:]
    gif = image_bytes("GIF", comment=CANARY)
    for name, body, expected in (("l.jpg", large, strip(large, "image/jpeg")), ("a.gif", gif, gif)):
        made = (await stripping.post("/v1/images", files={"image": (name, body)})).json()
        assert (await stripping.get(made["links"]["content"])).content == expected
