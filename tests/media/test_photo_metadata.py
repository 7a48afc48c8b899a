"""The metadata of photos: every place of each property, and hostile files."""

import io
import random
import struct
import zlib
from collections.abc import Callable
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.media.metadata.metadata_blocks import MAX_BLOCK_BYTES
from app.media.metadata.photo_metadata import (
    NO_METADATA,
    PhotoMetadata,
    clean_camera,
    join_camera,
    read_keywords,
    read_metadata,
)
from tests.media.corpus import chunk, segment, with_chunks, with_segments
from tests.media.photo_files import (
    CANON,
    EXIF_POINTER,
    FRACTION,
    MAKE,
    MODEL,
    OFFSET,
    TAKEN_AT,
    TIME,
    every_format,
    gif,
    iptc,
    jpeg,
    keywords_xmp,
    png,
    tiff,
    xmp,
)
from tests.support.examples import examples

pytestmark = pytest.mark.unit
FORMATS = every_format()
AT_TEN = datetime(2024, 5, 1, 10)  # noqa: DTZ001 - local time, as below


def read(body: bytes) -> PhotoMetadata:
    return read_metadata(io.BytesIO(body))


def taken(body: bytes) -> tuple[datetime | None, int | None]:
    found = read(body)
    return found.taken_at, found.taken_at_offset


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_has_the_time_and_the_camera(name: str) -> None:
    assert read(FORMATS[name]) == PhotoMetadata(AT_TEN, None, "Canon EOS R5")


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({TAKEN_AT: TIME}, (AT_TEN, None)),
        ({TAKEN_AT: TIME, OFFSET: "+02:00"}, (AT_TEN, 120)),
        ({TAKEN_AT: TIME, OFFSET: "-09:30"}, (AT_TEN, -570)),
        ({TAKEN_AT: TIME, OFFSET: "Z"}, (AT_TEN, 0)),
        ({TAKEN_AT: TIME, FRACTION: "5"}, (AT_TEN.replace(microsecond=500_000), None)),
        ({TAKEN_AT: TIME, FRACTION: "123456789"}, (AT_TEN.replace(microsecond=123_456), None)),
        ({TAKEN_AT: "2024-05-01 10:00:00 "}, (AT_TEN, None)),
        # Invalid parts are left out; an invalid time leaves nothing.
        ({TAKEN_AT: TIME, OFFSET: "+99:99"}, (AT_TEN, None)),
        ({TAKEN_AT: TIME, OFFSET: "+16:00"}, (AT_TEN, None)),
        ({TAKEN_AT: TIME, OFFSET: "   :  "}, (AT_TEN, None)),
        ({TAKEN_AT: TIME, FRACTION: "-1"}, (AT_TEN, None)),
        ({TAKEN_AT: TIME, FRACTION: "\u0665"}, (AT_TEN, None)),
        ({TAKEN_AT: "0000:00:00 00:00:00", OFFSET: "+02:00"}, (None, None)),
        ({TAKEN_AT: "    :  :     :  :  "}, (None, None)),
        ({TAKEN_AT: "2023:02:29 10:00:00"}, (None, None)),
        ({TAKEN_AT: "2024:05:01 24:00:00"}, (None, None)),
        ({TAKEN_AT: "2024:05:01 10:00:60"}, (None, None)),
        ({TAKEN_AT: "\u0662024:05:01 10:00:00"}, (None, None)),
        ({TAKEN_AT: "2024:05:01 10:00:00; DROP TABLE images"}, (None, None)),
        ({TAKEN_AT: "0001:01:01 00:00:00"}, (datetime(1, 1, 1), None)),  # noqa: DTZ001
        ({TAKEN_AT: "9999:12:31 23:59:59"}, (datetime(9999, 12, 31, 23, 59, 59), None)),  # noqa: DTZ001
        ({OFFSET: "+02:00"}, (None, None)),
    ],
)
def test_the_time_of_exif(fields: dict[int, str], expected: tuple[datetime | None, int | None], order: str) -> None:
    assert taken(jpeg(tiff(CANON, fields, order=order))) == expected


@pytest.mark.parametrize(
    ("packet", "expected"),
    [
        (xmp('exif:DateTimeOriginal="2024-05-01T10:00:00+02:00"'), (AT_TEN, 120)),
        (xmp('exif:DateTimeOriginal="2024-05-01T10:00Z"'), (AT_TEN, 0)),
        (xmp('photoshop:DateCreated="2024-05-01T10:00:00.25"'), (AT_TEN.replace(microsecond=250_000), None)),
        (xmp('photoshop:DateCreated="2024-05-01"'), (AT_TEN.replace(hour=0), None)),
        (xmp('photoshop:DateCreated="2024-05"'), (None, None)),
        (xmp(content="<exif:DateTimeOriginal>2024-05-01T10:00:00</exif:DateTimeOriginal>"), (AT_TEN, None)),
        (xmp('exif:DateTimeOriginal="never" photoshop:DateCreated="2024-05-01T10:00:00"'), (AT_TEN, None)),
        # A description within a property is that of another picture.
        (
            xmp(content="<dc:source><rdf:Description exif:DateTimeOriginal='2024-05-01T10:00:00'/></dc:source>"),
            (None, None),
        ),
    ],
)
def test_the_time_of_xmp(packet: bytes, expected: tuple[datetime | None, int | None]) -> None:
    assert taken(jpeg(packet=packet)) == expected


def test_exif_precedes_xmp_and_an_invalid_value_does_not() -> None:
    packet = xmp('exif:DateTimeOriginal="2020-01-01T00:00:00" tiff:Make="Nikon" tiff:Model="D850"')
    assert read(jpeg(tiff(CANON, {TAKEN_AT: TIME}), packet)) == PhotoMetadata(AT_TEN, None, "Canon EOS R5")
    damaged = tiff({MAKE: "\x07"}, {TAKEN_AT: "0000:00:00 00:00:00"})
    assert read(jpeg(damaged, packet)) == PhotoMetadata(datetime(2020, 1, 1), None, "Nikon D850")  # noqa: DTZ001


@pytest.mark.parametrize(
    ("make", "model", "camera"),
    [
        ("Canon", "Canon EOS R5", "Canon EOS R5"),
        ("NIKON CORPORATION", "NIKON D850", "NIKON D850"),
        ("EASTMAN KODAK COMPANY", "KODAK DX4530", "KODAK DX4530"),
        ("SONY", "ILCE-7M3", "SONY ILCE-7M3"),
        ("Konica Minolta Camera, Inc.", "DiMAGE Z3", "Konica Minolta DiMAGE Z3"),
        ("OLYMPUS IMAGING CORP.", "E-P1", "OLYMPUS E-P1"),
        ("Camera", "X", "Camera X"),
        ("Apple", None, "Apple"),
        (None, "iPhone 15 Pro", "iPhone 15 Pro"),
        ("  Apple \t", " iPhone\n15  ", "Apple iPhone 15"),
        ("", "", None),
        ("\x00\u202e", "\u200b", None),
        ("Can\u202eon", "R\x1b5\u2066", "Canon R5"),
        ("x" * 101, "R5", "R5"),
        ("e\u0301" * 100, "R5", "\u00e9" * 100 + " R5"),
        ("<script>alert(1)</script>", "'\"&", "<script>alert(1)</script> '\"&"),
        ("\ud800", "R5", "R5"),
    ],
)
def test_the_camera_joins_make_and_model(make: str | None, model: str | None, camera: str | None) -> None:
    assert join_camera(make, model) == camera
    assert camera is None or clean_camera(camera) == camera


def test_a_text_ends_at_its_first_nul_and_may_be_latin_1() -> None:
    assert read(jpeg(tiff({MAKE: b"Leica\0garbage", MODEL: b"M\xfcller"}))).camera == "Leica M\u00fcller"


def test_keywords_are_those_of_iptc_and_xmp() -> None:
    body = jpeg(
        packet=keywords_xmp("cat", "two words", "&lt;b&gt;"), resources=iptc(b"cat", "\u732b".encode(), b"\xe9")
    )
    assert read_keywords(io.BytesIO(body)) == ["cat", "\u732b", "\u00e9", "two words", "<b>"]
    assert read_keywords(io.BytesIO(png(packet=keywords_xmp("dog")))) == ["dog"]
    assert read_keywords(io.BytesIO(gif(keywords_xmp("bird")))) == ["bird"]
    packed = zlib.compress(keywords_xmp("fish"))
    assert read_keywords(io.BytesIO(png(packed=packed))) == ["fish"]


def bomb(entities: int = 8) -> bytes:
    declared = "".join(
        f'<!ENTITY e{number} "{f"&e{number - 1};" * 10 if number else "x"}">' for number in range(entities)
    )
    return f"<!DOCTYPE x [{declared}]>".encode() + xmp(f'tiff:Make="&e{entities - 1};"')


def loop() -> bytes:
    """Return an EXIF block whose directory of EXIF is its first directory."""
    block = bytearray(tiff())
    at = block.index(struct.pack("<HH", EXIF_POINTER, 4))
    block[at + 8 : at + 12] = struct.pack("<I", 8)
    return bytes(block)


# Made by the test: together they take 0.3 s, which each worker would spend on import.
HOSTILE: dict[str, Callable[[], bytes]] = {
    "a directory that is its own": lambda: jpeg(loop()),
    "a huge count": lambda: jpeg(tiff().replace(struct.pack("<HI", 2, 6), struct.pack("<HI", 2, 2**32 - 1))),
    "a directory behind the end": lambda: jpeg(b"II*\0" + struct.pack("<I", 2**32 - 1)),
    "a directory in its header": lambda: jpeg(b"II*\0" + struct.pack("<I", 0)),
    "65,535 entries": lambda: jpeg(b"II*\0" + struct.pack("<IH", 8, 65_535) + b"\x0f\x01\x02\0" * 15_000),
    "an entity bomb": lambda: jpeg(packet=bomb()),
    "an external entity": lambda: jpeg(packet=b'<!DOCTYPE x SYSTEM "file:///etc/passwd">' + xmp('tiff:Make="a"')),
    "no XML": lambda: jpeg(packet=b"<" * 60_000),
    "deep XML": lambda: png(packet=b"<a>" * 80_000),
    "many elements": lambda: png(packet=b"<a>" + b"<b/>" * 1_000_000),
    "many attributes": lambda: png(packet=xmp(" ".join(f'a{number}="1"' for number in range(60_000)))),
    "a long text": lambda: png(packet=xmp(content=f"<tiff:Make>{'x' * 2**20}</tiff:Make>")),
    "a long attribute": lambda: png(packet=xmp(f'tiff:Make="{"x" * 2**20}"')),
    "a compressed bomb": lambda: png(packed=zlib.compress(bytes(2**26))),
    "stray bytes": lambda: with_segments(jpeg(), b"x" * 2**20),
    "many segments": lambda: with_segments(jpeg(), segment(0xE5, b"") * 100_000),
    "many chunks": lambda: with_chunks(png(), chunk(b"tEXt", b"") * 100_000),
    "look-alikes of chunks": lambda: png()[:-12] + b"eXIf" * 200_000,
    "unfinished resources": lambda: jpeg(resources=b"8BIM\x04\x04\xff"),
    "resources of no size": lambda: jpeg(resources=b"8BIM\x01\x01\0\0\0\0\0\0" * 5_000),
    "a webp of empty chunks": lambda: b"RIFF\xff\xff\xff\xffWEBP" + b"XXXX\0\0\0\0" * 200_000,
    "a gif of extensions": lambda: b"GIF89a" + bytes(7) + b"!\xfe\0" * 200_000,
    "a box of no size": lambda: b"\0\0\0\x14ftypavif\0\0\0\0avif" + bytes(64),
    "boxes": lambda: b"\0\0\0\x14ftypavif\0\0\0\0avif" + b"\0\0\0\x08free" * 200_000,
    "nothing": lambda: b"",
    "one byte": lambda: b"\xff",
}


# An exponential or quadratic reader takes minutes.
@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_costs_little_and_has_no_metadata(name: str) -> None:
    body = HOSTILE[name]()
    found, keywords = read(body), read_keywords(io.BytesIO(body))
    assert (found.taken_at, keywords) == (None, [])
    assert found.camera is None or len(found.camera) <= 201


def test_metadata_of_any_size_does_not_hide_what_is_in_reach() -> None:
    exif, fill = tiff(CANON, {TAKEN_AT: TIME}), segment(0xE5, bytes(65_000))
    assert read(with_segments(jpeg(exif), fill * 100)).camera == "Canon EOS R5"
    assert read(with_segments(jpeg(exif), fill * 1_600)) == NO_METADATA
    assert read(with_chunks(png(exif), chunk(b"tEXt", bytes(2**25)))).camera == "Canon EOS R5"
    long = xmp('tiff:Model="Canon EOS R5"', content=f"<dc:title>{'x' * 2 * MAX_BLOCK_BYTES}</dc:title>")
    assert read(png(packet=long)).camera == "Canon EOS R5"


def test_a_chunk_with_a_wrong_sum_is_ignored() -> None:
    body = png(tiff())
    for at in (body.index(b"eXIf") + 20, body.index(b"Canon EOS")):
        assert read(body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]) == NO_METADATA


@examples(30)
@given(st.sampled_from(sorted(FORMATS)), st.integers(0, 2**32))
def test_damage_of_any_byte_raises_nothing(name: str, seed: int) -> None:
    body, dice = bytearray(FORMATS[name]), random.Random(seed)
    for _ in range(dice.randrange(1, 30)):
        body[dice.randrange(len(body))] = dice.randrange(256)
    for damaged in (bytes(body), bytes(body[: dice.randrange(len(body))])):
        found = read(damaged)
        assert found == PhotoMetadata.from_json(found.to_json())
        assert isinstance(read_keywords(io.BytesIO(damaged)), list)


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"taken_at": 5, "taken_at_offset": "x", "camera": 7},
        {"taken_at": "now", "taken_at_offset": 10**6, "camera": "\0"},
        {"taken_at": None, "taken_at_offset": 60, "camera": "x" * 10_000},
    ],
)
def test_a_process_that_a_file_controls_cannot_return_other_values(members: dict[str, object]) -> None:
    assert PhotoMetadata.from_json(members) == NO_METADATA
