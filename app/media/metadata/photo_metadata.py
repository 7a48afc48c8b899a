"""The time and the camera of a photo, and the keywords of a file.

The time is the first that is valid of EXIF's DateTimeOriginal, XMP's exif:DateTimeOriginal and photoshop:DateCreated.
The camera is EXIF's Make and Model, or else XMP's tiff:Make and tiff:Model. Keywords are those of IPTC (2:25) and of
XMP (dc:subject). Damaged values are left out. GPS data is never read.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any, NamedTuple

from app.media.metadata.exif_fields import ExifFields, decode_text, read_exif
from app.media.metadata.metadata_blocks import find_blocks
from app.media.metadata.xmp_packet import MAX_KEYWORDS, read_xmp

# Of the make and of the model.
MAX_NAME_LENGTH = 100
MAX_CAMERA_LENGTH = 2 * MAX_NAME_LENGTH + 1
# Offsets of zones have been up to 15:13:42 (Alaska until 1867); today they are at most 14:00.
MAX_OFFSET_MINUTES = 16 * 60 - 1
# A decomposed name has up to four characters for one. Normalization takes quadratic time in a run of combining marks.
_MAX_RAW_LENGTH = 1000
_JOINERS = "\u200c\u200d"
_EXIF_TIME = re.compile(r"(\d{4})[:-](\d\d)[:-](\d\d)[ T](\d\d):(\d\d):(\d\d)", re.ASCII)
_XMP_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d:\d\d)?", re.ASCII | re.IGNORECASE
)
_OFFSET = re.compile(r"([+-])(\d\d):(\d\d)", re.ASCII)
_FRACTION = re.compile(r"\d{1,9}", re.ASCII)
# Words that a make ends with and a camera's name does not have.
_COMPANY_WORDS = frozenset(
    [
        *("ag", "camera", "co", "company", "corp", "corporation", "electronics", "gmbh"),
        *("imaging", "inc", "limited", "llc", "ltd", "optical"),
    ]
)
# IIM: record 2, data set 25.
_IIM_MARKER, _IIM_KEYWORD, _EXTENDED = 0x1C, (2, 25), 0x8000
_MAX_DATA_SETS = 10_000


class LocalTime(NamedTuple):
    """A time by a camera's clock, and its offset from UTC in minutes if that is recorded."""

    time: datetime
    offset: int | None = None


@dataclass(frozen=True, slots=True)
class PhotoMetadata:
    """The time and the camera of a photo, each None if it is unknown."""

    taken_at: datetime | None = None
    taken_at_offset: int | None = None
    camera: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the members that `from_json` reads."""
        time = None if self.taken_at is None else self.taken_at.isoformat()
        return {"taken_at": time, "taken_at_offset": self.taken_at_offset, "camera": self.camera}

    @classmethod
    def from_json(cls, members: Mapping[str, Any]) -> "PhotoMetadata":
        """Return the metadata that a decoder process found. Invalid members are None: a file may control it."""
        text, offset, camera = members.get("taken_at"), members.get("taken_at_offset"), members.get("camera")
        taken_at = _parse_xmp_time(text) if isinstance(text, str) else None
        is_offset = isinstance(offset, int) and abs(offset) <= MAX_OFFSET_MINUTES
        return cls(
            taken_at=taken_at.time if taken_at else None,
            taken_at_offset=offset if taken_at and is_offset else None,
            camera=clean_camera(camera) if isinstance(camera, str) else None,
        )


NO_METADATA = PhotoMetadata()


def read_metadata(source: IO[bytes]) -> PhotoMetadata:
    """Return the metadata of a seekable file. Raises only the errors of the file itself."""
    blocks = find_blocks(source)
    exif, xmp = read_exif(blocks.exif), read_xmp(blocks.xmp)
    taken_at = _exif_time(exif) or _parse_xmp_time(xmp.taken_at) or _parse_xmp_time(xmp.created_at)
    camera = join_camera(exif.make, exif.model) or join_camera(xmp.make, xmp.model)
    return PhotoMetadata(camera=camera) if taken_at is None else PhotoMetadata(*taken_at, camera)


def read_keywords(source: IO[bytes]) -> list[str]:
    """Return the keywords of a seekable file, each once, as they are stored. Raises only the errors of the file."""
    blocks = find_blocks(source)
    keywords = [keyword.strip("\0 ") for keyword in (*_iim_keywords(blocks.iptc), *read_xmp(blocks.xmp).keywords)]
    return list(dict.fromkeys(filter(None, keywords)))


def join_camera(make: str | None, model: str | None) -> str | None:
    """Return a camera's name: "Canon EOS R5", not "Canon Canon EOS R5"; None without make and model.

    The make is left out if the model begins with one of its words. Otherwise it loses its legal form.
    """
    make, model = clean_name(make, MAX_NAME_LENGTH), clean_name(model, MAX_NAME_LENGTH)
    if make is None or model is None:
        return make or model
    words = make.split(" ")
    if model.split(" ", 1)[0].casefold() in {word.casefold() for word in words}:
        return model
    while len(words) > 1 and words[-1].strip(".,").casefold() in _COMPANY_WORDS:
        words.pop()
    return f"{' '.join(words).rstrip(',')} {model}"


def clean_camera(name: str) -> str | None:
    """Return the name of a camera in its stored form."""
    return clean_name(name, MAX_CAMERA_LENGTH)


def clean_name(text: str | None, max_length: int) -> str | None:
    """Return a name in NFC, without control and format characters, its white space as single spaces.

    None for a name without characters, and for one that is too long.
    """
    if text is None or len(text) > _MAX_RAW_LENGTH:
        return None
    spaced = " ".join(text.split())
    name = " ".join(unicodedata.normalize("NFC", "".join(filter(_is_kept, spaced))).split())
    return name if 0 < len(name) <= max_length else None


def _is_kept(char: str) -> bool:
    """Return whether a character has a meaning of its own. Format characters include those of text direction."""
    return char in _JOINERS or unicodedata.category(char) not in ("Cc", "Cf", "Cs")


def _exif_time(exif: ExifFields) -> LocalTime | None:
    match = _EXIF_TIME.fullmatch((exif.taken_at or "").strip())
    if match is None:
        return None
    fraction = _FRACTION.fullmatch((exif.fraction or "").strip())
    year, month, day, hour, minute, second = match.groups()
    return _local_time(
        f"{year}-{month}-{day}T{hour}:{minute}:{second}", fraction[0] if fraction else "", (exif.offset or "").strip()
    )


def _parse_xmp_time(text: str | None) -> LocalTime | None:
    """Return a time of ISO 8601; a date stands for its midnight."""
    match = _XMP_TIME.fullmatch((text or "").strip())
    if match is None:
        return None
    date, time, fraction, offset = match.groups()
    return _local_time(f"{date}T{time or '00:00'}".upper(), fraction or "", offset or "")


def _local_time(text: str, fraction: str, offset: str) -> LocalTime | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return LocalTime(time.replace(microsecond=int(fraction[:6].ljust(6, "0"))), _parse_offset(offset))


def _parse_offset(text: str) -> int | None:
    """Return an offset from UTC in minutes; None for one that no zone has."""
    if text in ("Z", "z"):
        return 0
    match = _OFFSET.fullmatch(text)
    if match is None or int(match[3]) >= 60:
        return None
    minutes = int(match[2]) * 60 + int(match[3])
    return (-minutes if match[1] == "-" else minutes) if minutes <= MAX_OFFSET_MINUTES else None


def _iim_keywords(iptc: bytes) -> list[str]:
    """Return the keywords of IIM data sets (IPTC-NAA IIM 4, 1.5 and 6)."""
    keywords: list[str] = []
    for data_set, data in _data_sets(iptc):
        if data_set == _IIM_KEYWORD and len(keywords) < MAX_KEYWORDS:
            keywords.append(decode_text(data[:_MAX_RAW_LENGTH]))
    return keywords


def _data_sets(iptc: bytes) -> Iterator[tuple[tuple[int, int], bytes]]:
    at = 0
    for _ in range(_MAX_DATA_SETS):
        head = iptc[at : at + 5]
        if len(head) < 5 or head[0] != _IIM_MARKER:
            return
        size, start = int.from_bytes(head[3:], "big"), at + 5
        if size & _EXTENDED:
            # The length of the length follows, then the length.
            width = size & 0x7FFF
            size, start = int.from_bytes(iptc[start : start + min(width, 4)], "big"), start + width
        yield (head[1], head[2]), iptc[start : start + size]
        at = start + size
