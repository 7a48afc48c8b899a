"""Finds the blocks of metadata in an image file: EXIF, XMP and IPTC. Nothing is decoded.

Layouts: JPEG (ITU-T T.81 annex B; XMP part 3; IIM in Photoshop's image resources), PNG 3 (11.3), WebP (RFC 9649), GIF
(XMP part 3), HEIF (ISO/IEC 23008-12, annex A). The reader gives up after a number of bytes and steps, so metadata of
any size costs milliseconds. In a PNG the blocks are expected before the pixels or within the last megabyte.
"""

import re
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

from app.media.heif_boxes import Box, DamagedBoxes, Extent, find_box, item_extents, item_types

# A longer block is cut off: the properties that are read are at its start.
MAX_BLOCK_BYTES = 256 * 1024
# The bytes and the parts of a file that are looked at.
MAX_READ_BYTES = 16 * 1024 * 1024
MAX_STEPS = 20_000
# A longer part is skipped by a seek. In the object store, each seek is a request.
SEEK_BYTES = 256 * 1024
MAX_SEEKS = 64
_TAIL_BYTES = 1024 * 1024
_MAX_TAIL_CHUNKS = 16
_MAX_META_BYTES = 1024 * 1024
_MAX_ITEMS = 16
_EXIF = b"Exif\0\0"
_XMP_JPEG = b"http://ns.adobe.com/xap/1.0/\0"
_PHOTOSHOP = b"Photoshop 3.0\0"
_XMP_PNG = b"XML:com.adobe.xmp\0"
_XMP_GIF = b"XMP DataXMP"
# The bytes behind an XMP packet in a GIF, which let other readers skip it as sub-blocks.
_GIF_TRAILER = b"\x01\xff\xfe\xfd"
_IIM_RESOURCE = 0x0404
_JPEG_STANDALONE = frozenset([0x01, *range(0xD0, 0xD9)])
_PNG_BLOCK = re.compile(rb"eXIf|iTXtXML:com\.adobe\.xmp\0")


@dataclass(slots=True)
class MetadataBlocks:
    """The first block of each kind, empty if there is none. EXIF starts with the TIFF header; IPTC is IIM."""

    exif: bytes = b""
    xmp: bytes = b""
    iptc: bytes = b""

    @property
    def are_complete(self) -> bool:
        """Whether nothing is left to find in a format without IPTC."""
        return bool(self.exif and self.xmp)


class _Reader:
    """Reads a file from its beginning. Raises EOFError at its end, and at the limits."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self._bytes_left = MAX_READ_BYTES
        self._steps_left = MAX_STEPS
        self._seeks_left = MAX_SEEKS
        source.seek(0)

    def take(self, count: int) -> bytes:
        """Return exactly the next `count` bytes."""
        data = self.take_up_to(count)
        if len(data) < count:
            raise EOFError
        return data

    def take_up_to(self, count: int) -> bytes:
        """Return the next `count` bytes, fewer at the end of the file."""
        self._steps_left -= 1
        self._bytes_left -= count
        if self._steps_left < 0 or self._bytes_left < 0:
            raise EOFError
        return self._source.read(count)

    def take_block(self, size: int) -> bytes:
        """Return the start of a part of `size` bytes, and skip the rest."""
        data = self.take(min(size, MAX_BLOCK_BYTES))
        self.skip(size - len(data))
        return data

    def skip(self, count: int) -> None:
        """Move behind the next `count` bytes."""
        if count > SEEK_BYTES:
            self.jump(self._source.tell() + count)
        elif count:
            self.take(count)

    def jump(self, position: int) -> None:
        """Move to a position in the file."""
        self._seeks_left -= 1
        if self._seeks_left < 0:
            raise EOFError
        self._source.seek(position)

    def take_tail(self, count: int) -> bytes:
        """Return the last bytes of the file, from the current position on: at most `count`."""
        position = self._source.tell()
        size = self._source.seek(0, 2)
        self.jump(max(position, size - count))
        return self.take_up_to(count)


def find_blocks(source: IO[bytes]) -> MetadataBlocks:
    """Return the blocks of a seekable file. Damage ends the search. Raises only the errors of the file itself."""
    blocks = MetadataBlocks()
    with suppress(EOFError, DamagedBoxes):
        _find(_Reader(source), blocks)
    return blocks


def _find(reader: _Reader, blocks: MetadataBlocks) -> None:
    head = reader.take(12)
    if head.startswith(b"\xff\xd8\xff"):
        reader.jump(2)
        _find_in_jpeg(reader, blocks)
    elif head.startswith(b"\x89PNG\r\n\x1a\n"):
        reader.jump(8)
        _find_in_png(reader, blocks)
    elif head[:4] == b"RIFF" and head[8:] == b"WEBP":
        _find_in_webp(reader, blocks)
    elif head[:4] == b"GIF8":
        reader.jump(0)
        _find_in_gif(reader, blocks)
    elif head[4:8] == b"ftyp":
        reader.jump(0)
        _find_in_heif(reader, blocks)


def _find_in_jpeg(reader: _Reader, blocks: MetadataBlocks) -> None:
    resources = bytearray()
    with suppress(EOFError):
        for code, length in _jpeg_segments(reader):
            if code not in (0xE1, 0xED):
                reader.skip(length)
                continue
            segment = reader.take(length)
            if code == 0xE1 and segment.startswith(_EXIF):
                blocks.exif = blocks.exif or segment.removeprefix(_EXIF)
            elif code == 0xE1 and segment.startswith(_XMP_JPEG):
                blocks.xmp = blocks.xmp or segment.removeprefix(_XMP_JPEG)
            elif code == 0xED and segment.startswith(_PHOTOSHOP) and len(resources) < MAX_BLOCK_BYTES:
                resources += segment.removeprefix(_PHOTOSHOP)
    blocks.iptc = _find_resource(bytes(resources), _IIM_RESOURCE)


def _jpeg_segments(reader: _Reader) -> Iterator[tuple[int, int]]:
    """Yield the code and the length of each segment before the first scan."""
    while True:
        # Decoders skip stray bytes between segments, and fill bytes.
        while reader.take(1) != b"\xff":
            pass
        while (code := reader.take(1)[0]) == 0xFF:
            pass
        if code in (0xD9, 0xDA):
            return
        if code and code not in _JPEG_STANDALONE:
            yield code, max(0, int.from_bytes(reader.take(2), "big") - 2)


def _find_resource(resources: bytes, wanted: int) -> bytes:
    """Return the data of one of Photoshop's image resources; empty if it is missing."""
    at = 0
    for _ in range(MAX_STEPS):
        if resources[at : at + 4] != b"8BIM":
            break
        kind = int.from_bytes(resources[at + 4 : at + 6], "big")
        # A name with its length, and a length of the data; name and data are padded to an even size.
        name = resources[at + 6] + 1 if at + 6 < len(resources) else 0
        start = at + 10 + name + name % 2
        size = int.from_bytes(resources[start - 4 : start], "big")
        if kind == wanted:
            return resources[start : start + size]
        at = start + size + size % 2
    return b""


def _find_in_png(reader: _Reader, blocks: MetadataBlocks) -> None:
    while not blocks.are_complete:
        head = reader.take(8)
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        if kind in (b"IDAT", b"IEND"):
            break
        if kind in (b"eXIf", b"iTXt"):
            data = reader.take_block(length)
            is_cut = len(data) < length
            if reader.take(4) == zlib.crc32(data, zlib.crc32(kind)).to_bytes(4, "big") or is_cut:
                _note_png_chunk(kind, data, blocks)
        else:
            reader.skip(length + 4)
    if not blocks.are_complete:
        _find_in_png_tail(reader.take_tail(_TAIL_BYTES), blocks)


def _find_in_png_tail(tail: bytes, blocks: MetadataBlocks) -> None:
    """Find chunks behind the pixels: their check sums prove that they are none of the pixels."""
    for number, match in enumerate(_PNG_BLOCK.finditer(tail)):
        if number == _MAX_TAIL_CHUNKS:
            break
        start = match.start()
        end = start + 4 + int.from_bytes(tail[max(0, start - 4) : start], "big")
        if len(tail) >= end + 4 and zlib.crc32(tail[start:end]).to_bytes(4, "big") == tail[end : end + 4]:
            _note_png_chunk(tail[start : start + 4], tail[start + 4 : end], blocks)


def _note_png_chunk(kind: bytes, data: bytes, blocks: MetadataBlocks) -> None:
    if kind == b"eXIf":
        blocks.exif = blocks.exif or data.removeprefix(_EXIF)
    elif data.startswith(_XMP_PNG):
        blocks.xmp = blocks.xmp or _png_text(data.removeprefix(_XMP_PNG))


def _png_text(data: bytes) -> bytes:
    """Return the text of an iTXt chunk, behind its keyword; empty if it is damaged."""
    _language, _, rest = data[2:].partition(b"\0")
    _keyword, _, text = rest.partition(b"\0")
    if not data.startswith(b"\1"):
        return text
    with suppress(zlib.error):
        return zlib.decompressobj().decompress(text, MAX_BLOCK_BYTES)
    return b""


def _find_in_webp(reader: _Reader, blocks: MetadataBlocks) -> None:
    while not blocks.are_complete:
        head = reader.take(8)
        kind, length = head[:4], int.from_bytes(head[4:], "little")
        if kind == b"EXIF":
            blocks.exif = blocks.exif or reader.take_block(length).removeprefix(_EXIF)
        elif kind == b"XMP ":
            blocks.xmp = blocks.xmp or reader.take_block(length)
        else:
            reader.skip(length)
        reader.skip(length % 2)


def _find_in_gif(reader: _Reader, blocks: MetadataBlocks) -> None:
    """Find an XMP packet before the first frame."""
    flags = reader.take(13)[10]
    reader.skip(3 << ((flags & 7) + 1) if flags & 0x80 else 0)
    while reader.take(1) == b"!":
        label = reader.take(1)
        if label == b"\xff" and (size := reader.take(1)[0]):
            name = reader.take(size)
            if name == _XMP_GIF:
                blocks.xmp = reader.take_up_to(MAX_BLOCK_BYTES).partition(_GIF_TRAILER)[0]
                return
        while size := reader.take(1)[0]:
            reader.skip(size)


def _find_in_heif(reader: _Reader, blocks: MetadataBlocks) -> None:
    start = 0
    while True:
        head = reader.take(8)
        size, kind, head_size = int.from_bytes(head[:4], "big"), head[4:], 8
        if size == 1:
            size, head_size = int.from_bytes(reader.take(8), "big"), 16
        if size < head_size:
            raise EOFError
        if kind == b"meta":
            break
        reader.skip(size - head_size)
        start += size
    if size > _MAX_META_BYTES:
        raise EOFError
    meta = reader.take(size - head_size)
    _read_items(reader, meta, start + head_size, blocks)


def _read_items(reader: _Reader, meta: bytes, start: int, blocks: MetadataBlocks) -> None:
    """Read the items of metadata that the content of a `meta` box describes. It starts at this offset of the file."""
    box = Box(b"meta", 0, len(meta))
    types, extents = item_types(meta, box), item_extents(meta, box)
    items = [item for item in types if types[item] in (b"Exif", b"mime") and item in extents]
    for item in items[:_MAX_ITEMS]:
        data = _item_data(reader, meta, start, extents[item])
        if types[item] == b"Exif":
            # An offset of the TIFF header precedes it.
            offset = 4 + int.from_bytes(data[:4], "big")
            blocks.exif = blocks.exif or data[offset:].removeprefix(_EXIF)
        elif b"<" in data:
            blocks.xmp = blocks.xmp or data


def _item_data(reader: _Reader, meta: bytes, start: int, extents: list[Extent]) -> bytes:
    data = bytearray()
    for extent in extents[:_MAX_ITEMS]:
        offset = extent.offset
        if extent.is_in_idat:
            offset += start + find_box(meta, b"idat", 4, len(meta)).start
        reader.jump(offset)
        data += reader.take_up_to(min(extent.length, MAX_BLOCK_BYTES - len(data)))
    return bytes(data)
