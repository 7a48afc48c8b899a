"""Removes the metadata of image files: the structure is copied, the pixels stay unchanged.

Kept is all that affects the appearance: ICC profile, colour and animation chunks, and the orientation in an EXIF block
of its own. Removed are EXIF, GPS, XMP, IPTC, comments, embedded thumbnails, unknown blocks, and bytes after the end of
the picture. Layouts: JPEG (ITU-T T.81 annex B), PNG (W3C PNG 3 §5), WebP (RFC 9649 §2), AVIF and HEIC (ISO/IEC
23008-12). The items of the last two are found by offsets, so their metadata is overwritten in place.

Each format is a generator for `IncrementalParser`. `Stripper` runs it over a file that arrives in chunks. It holds one
chunk and at most MAX_PEEK bytes, or the description of an AVIF or HEIC (1 MiB).
"""

import re
import struct
import zlib
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import NamedTuple

from app.media.heif_boxes import Box, DamagedBoxes, Extent, find_box, item_extents, item_types
from app.media.incremental_parser import Copy, CopyUntil, IncrementalParser, Insert, ParserSteps, Peek, Skip, SkipUntil

MAX_PEEK = 64 * 1024 + 2
_ORIENTATION = 0x0112
# The next marker between segments: libjpeg skips all other bytes, fill bytes and stuffed zeros.
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xff]")
# Where the coded data of a scan ends: at a marker that is neither a stuffed zero, a restart nor a fill byte.
_SCAN_END = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_JPEG_STANDALONE = frozenset([0x01, *range(0xD0, 0xD8)])
# Frames, tables, restart interval, hierarchy.
_JPEG_STRUCTURE = frozenset([*range(0xC0, 0xD0), 0xDB, 0xDC, 0xDD, 0xDE, 0xDF])
_PNG_KEPT = frozenset(
    b"IHDR PLTE IDAT IEND tRNS cHRM gAMA iCCP sBIT sRGB cICP mDCV mDCv cLLI cLLi".split()
    + b"bKGD hIST pHYs sPLT acTL fcTL fdAT".split()
)
_WEBP_KEPT = frozenset([b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF", b"ICCP"])
_WEBP_EXIF_FLAG, _WEBP_XMP_FLAG = 0x08, 0x04
# Boxes of the file that pictures and sequences are made of, and the items of `meta` that are pictures.
_HEIF_KEPT = frozenset([b"ftyp", b"meta", b"mdat", b"moov"])
_HEIF_PICTURES = frozenset(
    b"hvc1 hev1 lhv1 av01 avc1 vvc1 jpeg j2k1 unci mski grid iovl iden tmap".split()  # codecs, then derivations
)
_MAX_META_BYTES = 1024 * 1024
# An offset of 0 and a TIFF directory without entries.
_EMPTY_EXIF = bytes(4) + b"MM\0\x2a" + struct.pack(">IHI", 8, 0, 0)
_OVERWRITTEN_BYTES = 64 * 1024


class UnreadableStructure(Exception):
    """The structure of the file is not readable, so its metadata cannot be separated from its pixels."""


class Overwrite(NamedTuple):
    """A range of a file to fill with zeros, and the bytes at its start."""

    start: int
    end: int
    content: bytes


@dataclass(slots=True)
class FirstPass:
    """The findings of a first pass that the second needs at its start.

    For a WebP: the bytes to write, and whether it has an orientation. For AVIF and HEIC: the ranges of metadata.
    """

    size: int = 0
    has_orientation: bool = False
    overwrites: list[Overwrite] = field(default_factory=list)


class Stripper:
    """Strips one file. Some formats need two passes, the second with the findings of the first."""

    def __init__(self, content_type: str, first_pass: FirstPass | None = None) -> None:
        self.first_pass = FirstPass()
        self._runner = IncrementalParser(STRIPPERS[content_type](first_pass or FirstPass(), self.first_pass))

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes of the file; return the next bytes of the stripped file. Raises UnreadableStructure."""
        return self._count(self._runner.feed(data))

    def finish(self) -> bytes:
        """Return the rest of the stripped file when the file has ended. Raises UnreadableStructure."""
        return self._count(self._runner.finish())

    def _count(self, written: bytes) -> bytes:
        self.first_pass.size += len(written)
        return written


def strip_jpeg(_known: FirstPass, _found: FirstPass) -> ParserSteps[None]:
    """Keep the frame, its tables and scans; bytes between segments, which decoders skip, are dropped."""
    yield Copy(2)
    while True:
        yield SkipUntil(_JPEG_MARKER)
        head = yield Peek(4)
        if len(head) < 2:
            # Without an end marker, which decoders do not need.
            return
        code = head[1]
        if code in _JPEG_STANDALONE:
            yield Copy(2)
        elif code == 0xD9:
            yield Copy(2)
            yield Skip(None)
        else:
            yield from _jpeg_segment(code, head[2:])


def _jpeg_segment(code: int, length: bytes) -> ParserSteps[None]:
    total = 2 + int.from_bytes(length, "big")
    if len(length) < 2 or total < 4:
        raise UnreadableStructure
    if code == 0xDA:
        yield Copy(total)
        yield CopyUntil(_SCAN_END)
    elif code in _JPEG_STRUCTURE:
        yield Copy(total)
    elif 0xE0 <= code <= 0xEF:
        segment = yield Peek(total)
        yield Insert(_jpeg_application(code, segment))
        yield Skip(total)
    else:
        yield Skip(total)


def _jpeg_application(code: int, segment: bytes) -> bytes:
    """Return what stays of an application segment."""
    body = segment[4:]
    if code == 0xE0 and body.startswith(b"JFIF\0") and len(body) >= 14:
        # Without its thumbnail.
        return b"\xff\xe0\x00\x10" + body[:12] + b"\0\0"
    if code == 0xE1 and body.startswith(b"Exif\0"):
        exif = _minimal_exif(body[6:])
        return b"\xff\xe1" + struct.pack(">H", 8 + len(exif)) + b"Exif\0\0" + exif if exif else b""
    is_profile = code == 0xE2 and body.startswith(b"ICC_PROFILE\0")
    is_transform = code == 0xEE and body.startswith(b"Adobe") and len(body) == 12
    return segment if is_profile or is_transform else b""


def strip_png(_known: FirstPass, _found: FirstPass) -> ParserSteps[None]:
    """Keep the chunks that pixels and colours are made of."""
    yield Copy(8)
    while head := (yield Peek(8)):
        if len(head) < 8 or not head[4:].isalpha():
            raise UnreadableStructure
        length, kind = struct.unpack(">I4s", head)
        if kind in _PNG_KEPT:
            yield Copy(12 + length)
        elif kind == b"eXIf":
            content = yield Peek(min(8 + length, MAX_PEEK))
            yield Insert(_png_chunk(kind, _minimal_exif(content[8:])))
            yield Skip(12 + length)
        else:
            yield Skip(12 + length)
        if kind == b"IEND":
            yield Skip(None)


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    if not data:
        return b""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def strip_webp(known: FirstPass, found: FirstPass) -> ParserSteps[None]:
    """Keep the chunks that pixels, colours and frames are made of; `known` is what the header then has to say."""
    riff = yield Peek(12)
    missing = int.from_bytes(riff[4:8], "little") - 4
    yield Insert(b"RIFF" + struct.pack("<I", max(0, known.size - 8)) + b"WEBP")
    yield Skip(12)
    while missing > 0 and (head := (yield Peek(8))):
        if len(head) < 8:
            raise UnreadableStructure
        kind, length = struct.unpack("<4sI", head)
        total = 8 + length + length % 2
        yield from _webp_chunk(kind, total, known, found)
        missing -= total
    yield Skip(None)


def _webp_chunk(kind: bytes, total: int, known: FirstPass, found: FirstPass) -> ParserSteps[None]:
    if kind == b"VP8X":
        head = yield Peek(9)
        flags = head[-1] & ~(_WEBP_EXIF_FLAG | _WEBP_XMP_FLAG)
        yield Insert(head[:8] + bytes([flags | _WEBP_EXIF_FLAG if known.has_orientation else flags]))
        yield Skip(9)
        yield Copy(max(0, total - 9))
    elif kind == b"EXIF":
        content = yield Peek(min(total, MAX_PEEK))
        exif = _minimal_exif(content[8:].removeprefix(b"Exif\0\0"))
        found.has_orientation = found.has_orientation or bool(exif)
        yield Insert(b"EXIF" + struct.pack("<I", len(exif)) + exif if exif else b"")
        yield Skip(total)
    else:
        yield Copy(total) if kind in _WEBP_KEPT else Skip(total)


def strip_heif(known: FirstPass, found: FirstPass) -> ParserSteps[None]:
    """Overwrite the items that are no pictures and the boxes that are none of the format; drop what is no box."""
    start = 0
    while head := (yield Peek(16)):
        size, head_bytes = _heif_box_size(head)
        kind = head[4:8]
        if start and (size < head_bytes or kind == b"ftyp"):
            # No box, or another file.
            yield Skip(None)
        if size < head_bytes:
            raise UnreadableStructure
        if kind == b"meta":
            if size > _MAX_META_BYTES:
                raise UnreadableStructure
            found.overwrites = _heif_overwrites((yield Peek(size)), start)
        if kind in _HEIF_KEPT:
            yield from _heif_kept(start, start + size, known.overwrites)
        else:
            yield Insert(head[:4] + b"free" + head[8:head_bytes])
            yield Skip(head_bytes)
            yield from _zeros(size - head_bytes)
        start += size


def _heif_box_size(head: bytes) -> tuple[int, int]:
    """Return the sizes of a box and of its head; a box that reaches to the end of the file is as large as can be."""
    size = int.from_bytes(head[:4], "big")
    if len(head) < 8 or (size == 1 and len(head) < 16):
        return 0, 8
    if size == 1:
        return int.from_bytes(head[8:16], "big"), 16
    return (size or 1 << 62), 8


def _heif_overwrites(meta: bytes, start: int) -> list[Overwrite]:
    """Return the ranges of the items that are no pictures, in order and without overlaps."""
    box = Box(b"meta", 8, len(meta))
    ranges = []
    try:
        types, extents = item_types(meta, box), item_extents(meta, box)
        idat = start + (find_box(meta, b"idat", 12, len(meta)).start if _uses_idat(extents) else 0)
    except DamagedBoxes as error:
        raise UnreadableStructure from error
    for item in types.keys() & extents.keys():
        if types[item] not in _HEIF_PICTURES:
            empty = _EMPTY_EXIF if types[item] == b"Exif" and len(extents[item]) == 1 else b""
            offsets = [(one.offset + idat * one.is_in_idat, one.length) for one in extents[item]]
            ranges += [Overwrite(at, at + length, empty if length >= len(empty) else b"") for at, length in offsets]
    merged: list[Overwrite] = []
    for one in sorted(ranges):
        if merged and one.start < merged[-1].end:
            merged[-1] = Overwrite(merged[-1].start, max(merged[-1].end, one.end), b"")
        else:
            merged.append(one)
    return merged


def _uses_idat(extents: dict[int, list[Extent]]) -> bool:
    return any(one.is_in_idat for parts in extents.values() for one in parts)


def _heif_kept(start: int, end: int, overwrites: list[Overwrite]) -> ParserSteps[None]:
    """Copy a part of the file, except for the ranges."""
    for number in range(bisect_right(overwrites, start, key=attrgetter("end")), len(overwrites)):
        first, last, content = overwrites[number]
        if first >= end:
            break
        if first < start or last > end:
            # Not within one box, which no writer does.
            first, last, content = max(first, start), min(last, end), b""
        yield Copy(first - start)
        yield Insert(content)
        yield Skip(len(content))
        yield from _zeros(last - first - len(content))
        start = last
    yield Copy(end - start)


def _zeros(count: int) -> ParserSteps[None]:
    """Replace the next bytes by zeros."""
    while count > 0 and (head := (yield Peek(min(count, _OVERWRITTEN_BYTES)))):
        yield Insert(bytes(len(head)))
        yield Skip(len(head))
        count -= len(head)


def _minimal_exif(exif: bytes) -> bytes:
    """Return an EXIF block that has the orientation of this one and nothing else; nothing for an upright picture."""
    orientation = read_orientation(exif)
    if not 2 <= orientation <= 8:
        return b""
    entry = struct.pack(">HHIHH", _ORIENTATION, 3, 1, orientation, 0)
    return b"MM\0\x2a" + struct.pack(">IH", 8, 1) + entry + bytes(4)


def read_orientation(exif: bytes) -> int:
    """Return the orientation (1-8) that an EXIF block states (TIFF 6.0 §2), 0 where it states none."""
    order = {b"II\x2a\0": "<", b"MM\0\x2a": ">"}.get(exif[:4])
    if order is None:
        return 0
    try:
        (start,) = struct.unpack_from(f"{order}I", exif, 4)
        (count,) = struct.unpack_from(f"{order}H", exif, start)
        for entry in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind, _values, value = struct.unpack_from(f"{order}HHIH", exif, entry)
            if tag == _ORIENTATION and kind == 3:
                return int(value)
    except struct.error:
        pass
    return 0


STRIPPERS: dict[str, Callable[[FirstPass, FirstPass], ParserSteps[None]]] = {
    "image/jpeg": strip_jpeg,
    "image/png": strip_png,
    "image/webp": strip_webp,
    "image/avif": strip_heif,
    "image/heic": strip_heif,
}
NEEDS_FIRST_PASS = frozenset(["image/webp", "image/avif", "image/heic"])
