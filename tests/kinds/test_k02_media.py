"""K2: parsers of image files take time in proportion to the file, for any repeated unit and any truncation.

Each row is the start of a file and the smallest unit that its parser can be made to repeat. The processor time for four
times as many units is compared with the time for one. A quadratic parser takes 16 times as long; the limit of 8 leaves
room for a noisy machine.
"""

import contextlib
import struct
import time
from collections.abc import Callable

import pytest

from app.core.errors import AppError
from app.media import image_header
from app.media.image_header import HeaderReader
from app.media.metadata_stripper import NEEDS_FIRST_PASS, STRIPPERS, Stripper, UnreadableStructure
from tests.images.hostile import chunk, png_of
from tests.support.photos import image_bytes

UNITS = 2_000
MANY_PIXELS = 1 << 62
AVIF = b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf"
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
META = struct.pack(">I4sI", 1024 * 1024, b"meta", 0)
WEBP = b"RIFF\xff\xff\xff\x7fWEBP"
HEADERS = {
    "JPEG fill bytes": (b"\xff\xd8\xff", b"\xff"),
    "JPEG stray bytes": (b"\xff\xd8\xff\xe0\0\2", b"\0"),
    "JPEG stuffed zeros": (b"\xff\xd8\xff\xe0\0\2", b"\xff\0"),
    "JPEG restart markers": (b"\xff\xd8\xff\xe0\0\2", b"\xff\xd0"),
    "JPEG empty segments": (b"\xff\xd8", b"\xff\xe1\0\2"),
    "GIF stray bytes": (b"GIF89a\1\0\1\0\0\0\0", b"\0"),
    "GIF empty extensions": (b"GIF89a\1\0\1\0\0\0\0", b"!\xfe\0"),
    "GIF sub-blocks": (b"GIF89a\1\0\1\0\0\0\0!\xfe", b"\1a"),
    "AVIF empty boxes": (AVIF, b"\0\0\0\x08free"),
    "HEIC empty boxes": (HEIC, b"\0\0\0\x08free"),
    "HEIC properties without dimensions": (
        HEIC
        + struct.pack(">I4sI", 1 << 20, b"meta", 0)
        + struct.pack(">I4sI4s", 1 << 19, b"iprp", (1 << 19) - 8, b"ipco"),
        b"\0\0\0\x08ispe",
    ),
}
LIMITED = {
    **HEADERS,
    "AVIF empty boxes in its description": (AVIF + META, b"\0\0\0\x08free"),
    "HEIC empty boxes in its description": (HEIC + META, b"\0\0\0\x08free"),
}
STRIPPED = {
    "JPEG fill bytes": ("image/jpeg", b"\xff\xd8\xff", b"\xff"),
    "JPEG stray bytes": ("image/jpeg", b"\xff\xd8\xff\xe0\0\2", b"\0"),
    "JPEG restart markers": ("image/jpeg", b"\xff\xd8", b"\xff\xd0"),
    "JPEG empty segments": ("image/jpeg", b"\xff\xd8", b"\xff\xe1\0\2"),
    "JPEG empty scans": ("image/jpeg", b"\xff\xd8", b"\xff\xda\0\2"),
    "JPEG scan without an end": ("image/jpeg", b"\xff\xd8\xff\xda\0\2", b"\xff"),
    "PNG empty chunks": ("image/png", png_of(1, 1)[:33], chunk(b"tEXt", b"")),
    "PNG empty data": ("image/png", png_of(1, 1)[:33], chunk(b"IDAT", b"")),
    "WebP empty chunks": ("image/webp", WEBP, b"XMP \0\0\0\0"),
    "WebP empty EXIF": ("image/webp", WEBP, b"EXIF\0\0\0\0"),
    "AVIF empty boxes": ("image/avif", AVIF, b"\0\0\0\x08free"),
    "HEIC empty data": ("image/heic", HEIC, b"\0\0\0\x08mdat"),
    "HEIC empty items": ("image/heic", HEIC + META + struct.pack(">I4s6x", 1 << 19, b"iinf"), b"\0\0\0\x08infe"),
}


def feed_all(body: bytes, size: int) -> None:
    reader = HeaderReader(MANY_PIXELS)
    for start in range(0, len(body), size):
        reader.feed(body[start : start + size])
    reader.finish()


def read_header(body: bytes, size: int) -> None:
    with contextlib.suppress(AppError):
        feed_all(body, size)


def strip(content_type: str, body: bytes, size: int) -> None:
    stripper = Stripper(content_type)
    with contextlib.suppress(UnreadableStructure):
        for start in range(0, len(body), size):
            stripper.feed(body[start : start + size])
        stripper.finish()


def best_time(work: Callable[[], None], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return min(times)


def grows_linearly(work: Callable[[int], None]) -> bool:
    # One measurement is usually clear. Else the best of three counts.
    return ratio(work, rounds=1) <= 6 or ratio(work, rounds=3) <= 8


def ratio(work: Callable[[int], None], rounds: int) -> float:
    # A millisecond is added on both sides, so that no time is divided by zero.
    return (best_time(lambda: work(4 * UNITS), rounds) + 0.001) / (best_time(lambda: work(UNITS), rounds) + 0.001)


@pytest.mark.parametrize("size", [7, 64 * 1024])
@pytest.mark.parametrize("name", HEADERS)
def test_f7_headers_are_read_in_linear_time(name: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # The limits would end most of these early; the parsers behind them are linear as well.
    monkeypatch.setattr(image_header, "MAX_SEGMENTS", 1 << 30)
    start, unit = HEADERS[name]
    assert grows_linearly(lambda count: read_header(start + unit * count, size))


@pytest.mark.parametrize("name", LIMITED)
def test_f7_repeated_segments_are_refused_after_a_limited_number(name: str) -> None:
    start, unit = LIMITED[name]
    body = start + unit * (1 << 20)
    with pytest.raises(AppError):
        feed_all(body, 1 << 16)


@pytest.mark.parametrize("size", [7, 64 * 1024])
@pytest.mark.parametrize("name", STRIPPED)
def test_f5_metadata_is_stripped_in_linear_time(name: str, size: int) -> None:
    content_type, start, unit = STRIPPED[name]
    assert grows_linearly(lambda count: strip(content_type, start + unit * count, size))


def test_each_format_that_is_stripped_has_a_row() -> None:
    assert {row[0] for row in STRIPPED.values()} == set(STRIPPERS) >= NEEDS_FIRST_PASS


def test_one_byte_at_a_time_gives_the_same_header() -> None:
    for kind in ("PNG", "JPEG", "WEBP", "GIF", "AVIF", "HEIC"):
        body = image_bytes(kind, (128, 64))
        whole, dripping = HeaderReader(MANY_PIXELS), HeaderReader(MANY_PIXELS)
        expected = whole.feed(body)
        headers = [dripping.feed(body[at : at + 1]) for at in range(len(body))]
        assert expected is not None
        assert headers[-1] == expected
        assert (expected.width, expected.height) == (128, 64)
