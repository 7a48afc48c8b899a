"""The filters of the search language: the values that each takes."""

import difflib
import re
import unicodedata
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType

from app.search.language.ranges import Interval, Point, date, interval, number, ratio, size

MAX_VALUES = 50
# A decomposed name of 255 characters has up to four times as many.
MAX_GLOB_CHARACTERS = 4 * 255
TYPES = ("jpeg", "png", "webp", "gif", "avif")
VISIBILITIES = ("private", "public")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
# Any moment serves to tell whether a date can be read at all.
_SOME_DAY = datetime(2026, 1, 1, tzinfo=UTC)

COMPARED: Mapping[str, Point] = MappingProxyType(
    {"width": number, "height": number, "pixels": number, "tags": number, "ratio": ratio, "size": size, "date": date}
)
NAMES = (*COMPARED, "uploader", "name", "type", "visibility", "sha256")


@dataclass(frozen=True, slots=True)
class Refused(Exception):
    """A filter does not take this value."""

    expected: str
    did_you_mean: str | None = None


def canonical_value(name: str, text: str) -> str:
    """Return the value in its one spelling. Raises Refused."""
    if name == "name":
        if not text:
            raise Refused("a name, with * for any characters and ? for one")
        if len(text) > MAX_GLOB_CHARACTERS:
            raise Refused("a name of at most 255 characters")
        # As names are kept.
        return unicodedata.normalize("NFC", text)
    value = text.casefold()
    if name in COMPARED:
        try:
            interval(value, COMPARED[name], _SOME_DAY)
        except ValueError as error:
            raise Refused(str(error), nearest(value, ("today", "yesterday")) if name == "date" else None) from error
    elif name == "uploader" and not (value in ("me", "none") or _UUID.fullmatch(value)):
        raise Refused("me, none or the id of an account")
    elif name == "sha256" and not _SHA256.fullmatch(value):
        raise Refused("64 hexadecimal digits")
    elif name in ("type", "visibility"):
        _require_one_of(value, TYPES if name == "type" else VISIBILITIES)
    return value


def read_interval(name: str, value: str, now: datetime) -> Interval:
    """Return what a canonical value of a comparing filter covers."""
    return interval(value, COMPARED[name], now)


def read_uploader(value: str) -> uuid.UUID:
    """Return the account that a canonical value other than `me` and `none` names."""
    return uuid.UUID(value)


def nearest(word: str, known: tuple[str, ...]) -> str | None:
    """Return the known word that this one is most probably meant to be."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.7)
    return near[0] if near else None


def _require_one_of(value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise Refused(f"{', '.join(known[:-1])} or {known[-1]}", nearest(value, known))
