"""Format and dimensions of a file, from its first bytes and never from its name, without decoding.

Layouts: PNG (RFC 2083 §11.2.2), JPEG (ITU-T T.81 annex B), GIF89a §18-20, WebP (RFC 9649), AVIF and HEIC (ISO/IEC
23008-12). Browsers and decoders skip metadata of any size before the picture, fill bytes and stray bytes; so does this
module. It keeps none of them. Only their number is limited, which bounds the work: a segment costs about a microsecond.
"""

import re
import struct
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, NoReturn

from app.media.errors import ImageTooLarge, InvalidImage
from app.media.file_types import SEARCHED_BYTES, unsupported
from app.media.heif_boxes import DamagedBoxes, boxes, find_box
from app.media.incremental_parser import IncrementalParser, ParserSteps, Peek, Skip, SkipUntil, Step

SIGNATURE_BYTES = 16
# Segments, boxes, extensions and sub-blocks before the dimensions. A 100 MiB file has 1,600 segments of full size.
MAX_SEGMENTS = 10_000
# AVIF and HEIC state their dimensions in a box that is read as a whole; grids of thousands of tiles need 100 KiB.
MAX_META_BYTES = 1024 * 1024
# The next marker as libjpeg finds it: it skips all other bytes, fill bytes and stuffed zeros.
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xff]")
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_STANDALONE = frozenset(range(0xD0, 0xD9)) | {0x01}
_GIF_BLOCK = re.compile(rb"[!,;]")

MAX_BRANDS_BYTES = 256
_AV1_BRANDS = frozenset([b"avif", b"avis"])
# Pictures, scalable and multiview ones, and sequences (ISO/IEC 23008-12, annex B).
_HEVC_BRANDS = frozenset([b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"])

Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """Format and dimensions in pixels, as the header states them."""

    content_type: str
    width: int
    height: int


class HeaderReader:
    """Reads the header of a file that arrives in chunks; keeps no more of it than the part that it is parsing."""

    def __init__(self, max_pixels: int) -> None:
        self._max_pixels = max_pixels
        self._runner = IncrementalParser(self._read())
        # Known from the signature, hence long before the dimensions.
        self.content_type: str | None = None

    def feed(self, chunk: bytes) -> ImageHeader | None:
        """Take the next bytes; return the header once it is known.

        Raises UnsupportedMediaType, InvalidImage, ImageTooLarge.
        """
        self._runner.feed(chunk)
        return self._runner.result

    def finish(self) -> ImageHeader:
        """Return the header of a file that has ended. Raises like `feed`."""
        self._runner.finish()
        if self._runner.result is None:
            raise InvalidImage("The file ends within its header")
        return self._runner.result

    def _read(self) -> ParserSteps[ImageHeader]:
        content_type = yield from _content_type()
        self.content_type = content_type
        width, height = yield from _SIZES[content_type]()
        if width < 1 or height < 1:
            raise InvalidImage("The image has no pixels")
        if width * height > self._max_pixels:
            raise ImageTooLarge(f"{width} x {height} is more than {self._max_pixels} pixels")
        return ImageHeader(content_type, width, height)


def _content_type() -> ParserSteps[str]:
    head = yield Peek(SIGNATURE_BYTES)
    if len(head) == SIGNATURE_BYTES:
        if head.startswith(b"\x89PNG\r\n\x1a\n"):
            return "image/png"
        if head.startswith(b"\xff\xd8\xff"):
            return "image/jpeg"
        if head[:6] in (b"GIF87a", b"GIF89a"):
            return "image/gif"
        if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
            return "image/webp"
        if head[4:8] == b"ftyp":
            brands = yield from _brands(int.from_bytes(head[:4], "big"))
            if heif := _heif_type(brands):
                return heif
    raise unsupported((yield Peek(SEARCHED_BYTES)))


def _brands(box_size: int) -> ParserSteps[list[bytes]]:
    """Return the major brand of a file and those that it is compatible with."""
    box = yield Peek(min(box_size, MAX_BRANDS_BYTES))
    return [box[8:12], *(box[at : at + 4] for at in range(16, len(box), 4))]


def _heif_type(brands: list[bytes]) -> str | None:
    """Return the media type of the codec that the brands name, the major one first, then AV1, then HEVC."""
    if brands[0] in _HEVC_BRANDS:
        return "image/heic"
    if not _AV1_BRANDS.isdisjoint(brands):
        return "image/avif"
    return None if _HEVC_BRANDS.isdisjoint(brands) else "image/heic"


def _peek(count: int) -> Generator[Step, bytes, bytes]:
    """Return exactly the next `count` bytes. Raises InvalidImage if the file ends before."""
    head = yield Peek(count)
    if len(head) < count:
        raise InvalidImage("The file ends within its header")
    return head


def _unpack(layout: str, offset: int = 0) -> ParserSteps[tuple[Any, ...]]:
    """Return the fields that start `offset` bytes ahead."""
    head = yield from _peek(offset + struct.calcsize(layout))
    return struct.unpack_from(layout, head, offset)


def _too_many() -> NoReturn:
    raise InvalidImage(f"The file has more than {MAX_SEGMENTS} blocks of metadata before the image data")


def _png_size() -> ParserSteps[Size]:
    kind, width, height = yield from _unpack(">4sII", 12)
    if kind != b"IHDR":
        raise InvalidImage("The PNG does not start with its header")
    return width, height


def _jpeg_size() -> ParserSteps[Size]:
    yield Skip(2)
    for _ in range(MAX_SEGMENTS):
        yield SkipUntil(_JPEG_MARKER)
        _, code = yield from _unpack("BB")
        if code in _JPEG_STANDALONE:
            yield Skip(2)
        elif code in _JPEG_FRAMES:
            height, width = yield from _unpack(">HH", 5)
            return width, height
        elif code in (0xD9, 0xDA):
            raise InvalidImage("The JPEG has no frame header before its data")
        else:
            (length,) = yield from _unpack(">H", 2)
            if length < 2:
                raise InvalidImage("The JPEG has a segment without length")
            yield Skip(2 + length)
    _too_many()


def _gif_size() -> ParserSteps[Size]:
    """Return the logical screen, enlarged to show all of the first frame, as browsers do."""
    screen_width, screen_height, flags = yield from _unpack("<HHB", 6)
    yield Skip(13 + _gif_color_table(flags))
    for _ in range(MAX_SEGMENTS):
        yield SkipUntil(_GIF_BLOCK)
        kind = yield from _peek(1)
        if kind == b"!":
            yield Skip(2)
            yield from _gif_sub_blocks()
        elif kind == b",":
            left, top, width, height = yield from _unpack("<HHHH", 1)
            return max(screen_width, left + width), max(screen_height, top + height)
        else:
            raise InvalidImage("The GIF has no frame")
    _too_many()


def _gif_color_table(flags: int) -> int:
    """Return the bytes of a colour table."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _gif_sub_blocks() -> ParserSteps[None]:
    for _ in range(MAX_SEGMENTS):
        (length,) = yield from _unpack("B")
        yield Skip(1 + length)
        if not length:
            return
    _too_many()


def _webp_size() -> ParserSteps[Size]:
    head = yield from _peek(30)
    kind = head[12:16]
    if kind == b"VP8 ":
        if head[23:26] != b"\x9d\x01\x2a":
            raise InvalidImage("The WebP has no key frame")
        width, height = struct.unpack_from("<HH", head, 26)
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L":
        signature, bits = struct.unpack_from("<BI", head, 20)
        if signature != 0x2F:
            raise InvalidImage("The lossless WebP has no signature")
        return (bits & 0x3FFF) + 1, ((bits >> 14) & 0x3FFF) + 1
    if kind == b"VP8X":
        return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
    raise InvalidImage("The WebP has no image chunk")


def _heif_size() -> ParserSteps[Size]:
    """Return the largest of the spatial extents: the grid's own, where the picture is cut into tiles."""
    for _ in range(MAX_SEGMENTS):
        size, kind = yield from _unpack(">I4s")
        if size == 1:
            (size,) = yield from _unpack(">Q", 8)
        if size < 8:
            raise InvalidImage("The file has a box with a wrong size")
        if kind == b"meta":
            return (yield from _heif_extent(size))
        yield Skip(size)
    _too_many()


def _heif_extent(size: int) -> ParserSteps[Size]:
    if size > MAX_META_BYTES:
        raise InvalidImage(f"The description of the image is larger than {MAX_META_BYTES} bytes")
    meta = yield from _peek(size)
    try:
        sizes = _spatial_extents(meta)
    except DamagedBoxes as error:
        raise InvalidImage(str(error)) from None
    if not sizes:
        raise InvalidImage("The file has no dimensions")
    return max(sizes, key=lambda one: one[0] * one[1])


def _spatial_extents(meta: bytes) -> list[Size]:
    properties = find_box(meta, b"iprp", 12, len(meta))
    extents = find_box(meta, b"ipco", properties.start, properties.end)
    return [
        struct.unpack_from(">II", meta, box.start + 4)
        for box in boxes(meta, extents.start, extents.end)
        if box.kind == b"ispe" and box.end - box.start >= 12
    ]


_SIZES: dict[str, Callable[[], ParserSteps[Size]]] = {
    "image/png": _png_size,
    "image/jpeg": _jpeg_size,
    "image/gif": _gif_size,
    "image/webp": _webp_size,
    "image/avif": _heif_size,
    "image/heic": _heif_size,
}
