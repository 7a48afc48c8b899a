"""Image files without their metadata: the structure is copied, the pixels are not touched.

What a picture needs to look the same is kept (ICC profile, colour and animation chunks, and the orientation, in an EXIF
block of its own); EXIF, GPS, XMP, IPTC, comments, embedded thumbnails, whatever is unknown and whatever stands behind
the end of the picture are not. Layouts: JPEG (ITU-T T.81 annex B), PNG (W3C PNG 3 §5), WebP (RFC 9649 §2).

Each format is a script: a generator that looks at the bytes ahead and says what becomes of them. `Stripper` runs it
over a file that comes in chunks; it holds one chunk and at most MAX_LOOK bytes.
"""

import re
import struct
import zlib
from collections.abc import Callable, Generator
from dataclasses import dataclass

MAX_LOOK = 64 * 1024 + 2
_ORIENTATION = 0x0112
# Where the coded data of a scan ends: at a marker that is neither a stuffed zero, a restart nor a fill byte.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_JPEG_STANDALONE = frozenset([0x01, *range(0xD0, 0xD8)])
# Frames, tables, restart interval, hierarchy.
_JPEG_STRUCTURE = frozenset([*range(0xC0, 0xD0), 0xDB, 0xDC, 0xDD, 0xDE, 0xDF])
_PNG_KEPT = frozenset(
    b"IHDR PLTE IDAT IEND tRNS cHRM gAMA iCCP sBIT sRGB cICP mDCV mDCv cLLI cLLi".split()
    + b"bKGD hIST pHYs sPLT acTL fcTL fdAT".split()
)
_WEBP_KEPT = frozenset([b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF", b"ICCP"])
_WEBP_EXIF_FLAG, _WEBP_XMP_FLAG = 0x08, 0x04


class Unreadable(Exception):
    """The file's structure cannot be followed, so that nobody can tell its metadata from its pixels."""


@dataclass(frozen=True, slots=True)
class Look:
    """Give me the next `count` bytes, fewer at the end of the file; they stay ahead."""

    count: int


@dataclass(frozen=True, slots=True)
class Keep:
    """Copy the next `count` bytes."""

    count: int


@dataclass(frozen=True, slots=True)
class KeepUntil:
    """Copy what comes before the next match, of two bytes."""

    pattern: re.Pattern[bytes]


@dataclass(frozen=True, slots=True)
class Drop:
    """Leave out the next `count` bytes; with None all that follow."""

    count: int | None


@dataclass(frozen=True, slots=True)
class Insert:
    """Write these bytes, which are not in the file."""

    data: bytes


Step = Look | Keep | KeepUntil | Drop | Insert
Script = Generator[Step, bytes, None]


@dataclass(slots=True)
class Survey:
    """What a first pass found out, which a WebP says at its start: bytes that will be written, and any orientation."""

    size: int = 0
    has_orientation: bool = False


class Stripper:
    """Strips one file. A WebP needs two passes, the second with the survey of the first."""

    def __init__(self, content_type: str, survey: Survey | None = None) -> None:
        self.survey = Survey()
        self._script = SCRIPTS[content_type](survey or Survey(), self.survey)
        self._step: Step | None = next(self._script)
        self._ahead = b""

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes of the file; return the next ones of the stripped file. Raises Unreadable."""
        return self._run(data, is_end=False)

    def finish(self) -> bytes:
        """Return what is still to come when the file has ended. Raises Unreadable."""
        return self._run(b"", is_end=True)

    def _run(self, data: bytes, *, is_end: bool) -> bytes:
        self._ahead += data
        out: list[bytes] = []
        while self._step is not None and self._advance(self._step, out, is_end=is_end):
            pass
        written = b"".join(out)
        self.survey.size += len(written)
        return written

    def _advance(self, step: Step, out: list[bytes], *, is_end: bool) -> bool:
        """Do the step as far as the bytes reach; tell whether it is done."""
        if isinstance(step, Insert):
            out.append(step.data)
            return self._next(b"")
        if isinstance(step, Look):
            return (len(self._ahead) >= step.count or is_end) and self._next(self._ahead[: step.count])
        if isinstance(step, KeepUntil):
            return self._keep_until(step.pattern, out, is_end=is_end)
        taken = len(self._ahead) if step.count is None else min(step.count, len(self._ahead))
        if isinstance(step, Keep):
            out.append(self._ahead[:taken])
        self._ahead = self._ahead[taken:]
        if taken == step.count:
            return self._next(b"")
        if step.count is not None:
            self._step = type(step)(step.count - taken)
        return False

    def _keep_until(self, pattern: re.Pattern[bytes], out: list[bytes], *, is_end: bool) -> bool:
        found = pattern.search(self._ahead)
        # The last byte may be the first of a match.
        end = found.start() if found else len(self._ahead) - (not is_end)
        out.append(self._ahead[: max(0, end)])
        self._ahead = self._ahead[max(0, end) :]
        return found is not None and self._next(b"")

    def _next(self, answer: bytes) -> bool:
        try:
            self._step = self._script.send(answer)
        except StopIteration:
            self._step = None
        return True


def strip_jpeg(_known: Survey, _found: Survey) -> Script:
    """Keep the frame, its tables and scans."""
    yield Keep(2)
    while True:
        head = yield Look(4)
        if len(head) < 2 or head[0] != 0xFF:
            raise Unreadable
        code = head[1]
        if code == 0xFF:
            yield Drop(1)
        elif code in _JPEG_STANDALONE:
            yield Keep(2)
        elif code == 0xD9:
            yield Keep(2)
            yield Drop(None)
        else:
            yield from _jpeg_segment(code, head[2:])


def _jpeg_segment(code: int, length: bytes) -> Script:
    total = 2 + int.from_bytes(length, "big")
    if len(length) < 2 or total < 4:
        raise Unreadable
    if code == 0xDA:
        yield Keep(total)
        yield KeepUntil(_MARKER)
    elif code in _JPEG_STRUCTURE:
        yield Keep(total)
    elif 0xE0 <= code <= 0xEF:
        segment = yield Look(total)
        yield Insert(_jpeg_application(code, segment))
        yield Drop(total)
    else:
        yield Drop(total)


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


def strip_png(_known: Survey, _found: Survey) -> Script:
    """Keep the chunks that pixels and colours are made of."""
    yield Keep(8)
    while head := (yield Look(8)):
        if len(head) < 8 or not head[4:].isalpha():
            raise Unreadable
        length, kind = struct.unpack(">I4s", head)
        if kind in _PNG_KEPT:
            yield Keep(12 + length)
        elif kind == b"eXIf":
            content = yield Look(min(8 + length, MAX_LOOK))
            yield Insert(_png_chunk(kind, _minimal_exif(content[8:])))
            yield Drop(12 + length)
        else:
            yield Drop(12 + length)
        if kind == b"IEND":
            yield Drop(None)


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    if not data:
        return b""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def strip_webp(known: Survey, found: Survey) -> Script:
    """Keep the chunks that pixels, colours and frames are made of; `known` is what the header then has to say."""
    riff = yield Look(12)
    missing = int.from_bytes(riff[4:8], "little") - 4
    yield Insert(b"RIFF" + struct.pack("<I", max(0, known.size - 8)) + b"WEBP")
    yield Drop(12)
    while missing > 0 and (head := (yield Look(8))):
        if len(head) < 8:
            raise Unreadable
        kind, length = struct.unpack("<4sI", head)
        total = 8 + length + length % 2
        yield from _webp_chunk(kind, total, known, found)
        missing -= total
    yield Drop(None)


def _webp_chunk(kind: bytes, total: int, known: Survey, found: Survey) -> Script:
    if kind == b"VP8X":
        head = yield Look(9)
        flags = head[-1] & ~(_WEBP_EXIF_FLAG | _WEBP_XMP_FLAG)
        yield Insert(head[:8] + bytes([flags | _WEBP_EXIF_FLAG if known.has_orientation else flags]))
        yield Drop(9)
        yield Keep(max(0, total - 9))
    elif kind == b"EXIF":
        content = yield Look(min(total, MAX_LOOK))
        exif = _minimal_exif(content[8:].removeprefix(b"Exif\0\0"))
        found.has_orientation = found.has_orientation or bool(exif)
        yield Insert(b"EXIF" + struct.pack("<I", len(exif)) + exif if exif else b"")
        yield Drop(total)
    else:
        yield Keep(total) if kind in _WEBP_KEPT else Drop(total)


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


SCRIPTS: dict[str, Callable[[Survey, Survey], Script]] = {
    "image/jpeg": strip_jpeg,
    "image/png": strip_png,
    "image/webp": strip_webp,
}
NEEDS_SURVEY = frozenset(["image/webp"])
