"""The filters of the query language and their values."""

import difflib
import re
import unicodedata
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType

from app.search.language.value_ranges import (
    ValueParser,
    ValueRange,
    parse_date,
    parse_local_time,
    parse_number,
    parse_range,
    parse_ratio,
    parse_size,
)

MAX_VALUES = 50
# A name of 255 characters has up to four times as many when it is decomposed.
MAX_GLOB_CHARACTERS = 4 * 255
TYPES = ("jpeg", "png", "webp", "gif", "avif", "heic")
VISIBILITIES = ("private", "public")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
# Whether a date is valid does not depend on the current time.
_SOME_DAY = datetime(2026, 1, 1, tzinfo=UTC)

RANGE_FILTERS: Mapping[str, ValueParser] = MappingProxyType(
    {
        "width": parse_number,
        "height": parse_number,
        "pixels": parse_number,
        "tags": parse_number,
        "ratio": parse_ratio,
        "size": parse_size,
        "date": parse_date,
        "taken": parse_local_time,
    }
)
# The filters whose values can depend on the current time.
DATE_FILTERS = frozenset(("date", "taken"))
GLOB_FILTERS = frozenset(("name", "camera"))
FILTER_NAMES = (*RANGE_FILTERS, "uploader", "name", "camera", "type", "visibility", "sha256", "similar")


@dataclass(frozen=True, slots=True)
class InvalidFilterValue(Exception):
    """The value is invalid for its filter."""

    expected: str
    did_you_mean: str | None = None


def normalize_value(name: str, text: str) -> str:
    """Return the canonical form of a value. Raises InvalidFilterValue."""
    if name in GLOB_FILTERS:
        return _normalize_glob(text)
    value = text.casefold()
    if name in RANGE_FILTERS:
        try:
            parse_range(value, RANGE_FILTERS[name], _SOME_DAY)
        except ValueError as error:
            raise InvalidFilterValue(
                str(error), nearest(value, ("today", "yesterday")) if name in DATE_FILTERS else None
            ) from error
    elif name == "uploader" and not (value in ("me", "none") or _UUID.fullmatch(value)):
        raise InvalidFilterValue("me, none or the id of an account")
    elif name == "similar" and not _UUID.fullmatch(value):
        raise InvalidFilterValue("the id of an image")
    elif name == "sha256" and not _SHA256.fullmatch(value):
        raise InvalidFilterValue("64 hexadecimal digits")
    elif name in ("type", "visibility"):
        _require_one_of(value, TYPES if name == "type" else VISIBILITIES)
    return value


def _normalize_glob(text: str) -> str:
    if not text:
        raise InvalidFilterValue("a name, with * for any characters and ? for one")
    if len(text) > MAX_GLOB_CHARACTERS:
        raise InvalidFilterValue("a name of at most 255 characters")
    # Names are stored in this form.
    return unicodedata.normalize("NFC", text)


def parse_range_filter(name: str, value: str, now: datetime) -> ValueRange:
    """Return the range of a normalised value of a range filter."""
    return parse_range(value, RANGE_FILTERS[name], now)


def parse_uploader(value: str) -> uuid.UUID:
    """Return the account of a normalised value other than `me` and `none`."""
    return uuid.UUID(value)


def nearest(word: str, known: tuple[str, ...]) -> str | None:
    """Return the most similar known word, if one is similar enough."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.7)
    return near[0] if near else None


def _require_one_of(value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise InvalidFilterValue(f"{', '.join(known[:-1])} or {known[-1]}", nearest(value, known))
