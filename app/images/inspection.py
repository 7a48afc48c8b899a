"""What a file is, told by its first bytes and never by its name: format and dimensions, without decoding anything.

Layouts: PNG (RFC 2083 §11.2.2), JPEG (ITU-T T.81 annex B), GIF89a §18, WebP (RFC 9649), AVIF (ISO/IEC 23008-12).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from app.core.errors import ImageTooLarge, InvalidImage
from app.images.file_types import unsupported

# A header that has told no dimensions by then never will; real files keep some metadata before them.
MAX_HEADER_BYTES = 1024 * 1024
SIGNATURE_BYTES = 16
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_STANDALONE = frozenset(range(0xD0, 0xDA)) | {0x01}


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """Format and dimensions in pixels, as the header states them."""

    content_type: str
    width: int
    height: int


class _Incomplete(Exception):
    """More bytes are needed."""


class HeaderReader:
    """Collects the first bytes of a file until they tell what it is."""

    def __init__(self, max_pixels: int) -> None:
        self._max_pixels = max_pixels
        self._next_look = SIGNATURE_BYTES
        self.head = bytearray()

    def feed(self, chunk: bytes) -> ImageHeader | None:
        """Take the next bytes; return the header once it is known.

        Raises UnsupportedMediaType, InvalidImage, ImageTooLarge.
        """
        self.head += chunk
        if len(self.head) < self._next_look:
            return None
        # Each look reads from the start: looking at every byte that trickles in would cost the square of them.
        self._next_look = min(len(self.head) * 5 // 4, MAX_HEADER_BYTES)
        return self._look()

    def finish(self) -> ImageHeader:
        """Return the header of a file that has ended. Raises like `feed`."""
        if header := self._look():
            return header
        if len(self.head) < SIGNATURE_BYTES:
            raise unsupported(bytes(self.head))
        raise InvalidImage("The file ends within its header")

    def _look(self) -> ImageHeader | None:
        try:
            header = read_header(bytes(self.head[:MAX_HEADER_BYTES]))
        except _Incomplete as error:
            if len(self.head) >= MAX_HEADER_BYTES:
                raise InvalidImage("The file tells no dimensions") from error
            return None
        if header.width < 1 or header.height < 1:
            raise InvalidImage("The file states an empty image")
        if header.width * header.height > self._max_pixels:
            raise ImageTooLarge(f"{header.width} x {header.height} is more than {self._max_pixels} pixels")
        return header


def read_header(head: bytes) -> ImageHeader:
    """Return what the first bytes of a file say. Raises UnsupportedMediaType, InvalidImage; _Incomplete for too few."""
    if len(head) < SIGNATURE_BYTES:
        raise _Incomplete
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return ImageHeader("image/png", *_png_size(head))
    if head.startswith(b"\xff\xd8\xff"):
        return ImageHeader("image/jpeg", *_jpeg_size(head))
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return ImageHeader("image/gif", *_unpack("<HH", head, 6))
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return ImageHeader("image/webp", *_webp_size(head))
    if head[4:8] == b"ftyp" and _is_avif(head):
        return ImageHeader("image/avif", *_avif_size(head))
    raise unsupported(head)


def _unpack(layout: str, head: bytes, offset: int) -> tuple[Any, ...]:
    try:
        return struct.unpack_from(layout, head, offset)
    except struct.error as error:
        raise _Incomplete from error


def _png_size(head: bytes) -> tuple[int, ...]:
    if head[12:16] != b"IHDR":
        raise InvalidImage("The PNG does not start with its header")
    return _unpack(">II", head, 16)


def _jpeg_size(head: bytes) -> tuple[int, int]:
    offset = 2
    while True:
        marker, code = _unpack("BB", head, offset)
        if marker != 0xFF:
            raise InvalidImage("The JPEG has bytes between its segments")
        if code == 0xFF:
            offset += 1
        elif code in _JPEG_STANDALONE:
            offset += 2
        elif code in _JPEG_FRAMES:
            height, width = _unpack(">HH", head, offset + 5)
            return width, height
        elif code in (0xD9, 0xDA):
            raise InvalidImage("The JPEG has no frame header before its data")
        else:
            offset += 2 + _jpeg_segment_length(head, offset + 2)


def _jpeg_segment_length(head: bytes, offset: int) -> int:
    length: int = _unpack(">H", head, offset)[0]
    if length < 2:
        raise InvalidImage("The JPEG has a segment without length")
    return length


def _webp_size(head: bytes) -> tuple[int, int]:
    kind = head[12:16]
    if kind == b"VP8 ":
        if _unpack("3s", head, 23) != (b"\x9d\x01\x2a",):
            raise InvalidImage("The WebP has no key frame")
        width, height = _unpack("<HH", head, 26)
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L":
        signature, bits = _unpack("<BI", head, 20)
        if signature != 0x2F:
            raise InvalidImage("The lossless WebP has no signature")
        return (bits & 0x3FFF) + 1, ((bits >> 14) & 0x3FFF) + 1
    if kind == b"VP8X":
        raw = _unpack("<6B", head, 24)
        return int.from_bytes(raw[:3], "little") + 1, int.from_bytes(raw[3:], "little") + 1
    raise InvalidImage("The WebP has no image chunk")


def _is_avif(head: bytes) -> bool:
    size, _kind = _unpack(">I4s", head, 0)
    brands = head[8 : min(size, 256)]
    return any(brands[at : at + 4] in (b"avif", b"avis") for at in range(0, len(brands), 4))


def _avif_size(head: bytes) -> tuple[int, ...]:
    """Return the largest of the spatial extents: the grid's own, where the picture is cut into tiles."""
    meta_start, meta_end = _find_box(head, b"meta", 0, None)
    if meta_end > len(head):
        raise _Incomplete
    props = _find_box(head, b"iprp", meta_start + 4, meta_end)
    extents = _find_box(head, b"ipco", *props)
    sizes = [_unpack(">II", head, start + 4) for kind, start, _end in _boxes(head, *extents) if kind == b"ispe"]
    if not sizes:
        raise InvalidImage("The AVIF tells no dimensions")
    return max(sizes, key=lambda size: size[0] * size[1])


def _find_box(head: bytes, wanted: bytes, start: int, end: int | None) -> tuple[int, int]:
    for kind, content, after in _boxes(head, start, end):
        if kind == wanted:
            return content, after
    raise InvalidImage(f"The AVIF has no {wanted.decode()} box")


def _boxes(head: bytes, start: int, end: int | None) -> Iterator[tuple[bytes, int, int]]:
    while end is None or start + 8 <= end:
        size, kind = _unpack(">I4s", head, start)
        if size < 8 or (end is not None and start + size > end):
            raise InvalidImage("The AVIF has a box with a wrong size")
        yield kind, start + 8, start + size
        start += size
