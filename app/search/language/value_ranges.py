"""Parses the values of range filters: `5` `>5` `>=5` `<5` `<=5` `5..7` `5..` `..7`, of numbers, ratios and dates.

A single value is a span: a number covers only itself, a day covers midnight to before the next midnight.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any, TypeAlias

_COMPARISON = re.compile(r"(?P<operator>>=|<=|>|<)(?P<value>.+)")
_MAX_NUMBER = 2**63 - 1
_UNITS = {"": 1, "b": 1, "kb": 1024, "mb": 1024**2, "gb": 1024**3}
_SIZE = re.compile(r"(\d{1,19}(?:\.\d{1,6})?)(b|kb|mb|gb)?")
_DECIMAL = re.compile(r"\d{1,5}(?:\.\d{1,4})?")
_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?")
_TIME = re.compile(
    r"\d{4}-\d{2}-\d{2}t\d{2}:\d{2}(?P<seconds>:\d{2}(?P<fraction>\.\d{1,6})?)?(?P<offset>z|[+-]\d{2}:\d{2})?"
)
_AGO = re.compile(r"(\d{1,5})([hdwy])")
# The limits of the calendar of Python. A range beyond them is open.
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
_AGO_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1), "y": timedelta(days=365)}


@dataclass(frozen=True, slots=True)
class Span:
    """The values from `start` to `end`, included or not."""

    start: Any
    end: Any
    end_included: bool = True


@dataclass(frozen=True, slots=True)
class ValueRange:
    """The values from `low` to `high`; None is an open end."""

    low: Any = None
    high: Any = None
    low_included: bool = True
    high_included: bool = True


ValueParser: TypeAlias = Callable[[str, datetime], Span]


def parse_range(text: str, parse_point: ValueParser, now: datetime) -> ValueRange:
    """Parse the value of a range filter. Raises ValueError, whose message is the expected text."""
    if comparison := _COMPARISON.fullmatch(text):
        return _compared(comparison["operator"], parse_point(comparison["value"], now))
    low, dots, high = text.partition("..")
    if not dots:
        if _AGO.fullmatch(text) and parse_point in (parse_date, parse_local_time):
            raise ValueError(f"{text}.. for the time since then, or ..{text} for the time before")
        span = parse_point(text, now)
        return ValueRange(span.start, span.end, high_included=span.end_included)
    if not low and not high:
        raise ValueError("a value before or after the dots")
    first, last = (parse_point(end, now) if end else None for end in (low, high))
    return ValueRange(
        first.start if first else None,
        last.end if last else None,
        high_included=last.end_included if last else True,
    )


def _compared(operator: str, span: Span) -> ValueRange:
    match operator:
        case ">":
            return ValueRange(low=span.end, low_included=not span.end_included)
        case ">=":
            return ValueRange(low=span.start)
        case "<":
            return ValueRange(high=span.start, high_included=False)
        case _:
            return ValueRange(high=span.end, high_included=span.end_included)


def parse_number(text: str, _now: datetime) -> Span:
    """Parse a whole number."""
    if not re.fullmatch(r"[0-9]{1,19}", text) or int(text) > _MAX_NUMBER:
        raise ValueError("a whole number")
    return Span(int(text), int(text))


def parse_size(text: str, _now: datetime) -> Span:
    """Parse a number of bytes, with kb, mb and gb for powers of 1024."""
    match = _SIZE.fullmatch(text) if text.isascii() else None
    if match is None or (value := int(Fraction(match[1]) * _UNITS[match[2] or ""])) > _MAX_NUMBER:
        raise ValueError("a number of bytes, as 500, 20kb or 1.5mb")
    return Span(value, value)


def parse_ratio(text: str, _now: datetime) -> Span:
    """Parse width : height, such as 16:9 or 1.5, exactly."""
    parts = text.split(":")
    if len(parts) > 2 or not text.isascii() or not all(_DECIMAL.fullmatch(part) for part in parts):
        raise ValueError("a ratio of width to height, as 16:9 or 1.5")
    if not (below := Fraction(parts[1]) if len(parts) == 2 else Fraction(1)):
        raise ValueError("a ratio to something other than 0")
    value = Fraction(parts[0]) / below
    return Span(value, value)


def parse_date(text: str, now: datetime) -> Span:
    """Parse a year, month, day, time, `today`, `yesterday`, or a duration before now, such as 7d; all in UTC."""
    try:
        if ago := _AGO.fullmatch(text) if text.isascii() else None:
            moment = _shift(now, -int(ago[1]) * _AGO_UNITS[ago[2]])
            return Span(moment, moment)
        if text in ("today", "yesterday"):
            midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=text == "yesterday")
            return Span(midnight, midnight + timedelta(days=1), end_included=False)
        if (day := _DATE.fullmatch(text)) and text.isascii():
            return _calendar(*(int(part) if part else None for part in day.groups()))
        if (moment_text := _TIME.fullmatch(text)) and text.isascii():
            return _moment(text, moment_text)
    except (ValueError, OverflowError) as error:
        raise ValueError("a date that there is") from error
    raise ValueError("a date, as 2026, 2026-03, 2026-03-09, 2026-03-09T12:00:00Z, today, yesterday or 7d..")


def parse_local_time(text: str, now: datetime) -> Span:
    """Parse a date as `parse_date` does, as local time without a zone. An offset from UTC in it has no effect."""
    span = parse_date(text, now)
    if (moment := _TIME.fullmatch(text)) and moment["offset"]:
        span = parse_date(text.removesuffix(moment["offset"]), now)
    return Span(span.start.replace(tzinfo=None), span.end.replace(tzinfo=None), span.end_included)


def _calendar(year: int | None, month: int | None = None, day: int | None = None) -> Span:
    start = datetime(year or 0, 1 if month is None else month, 1 if day is None else day, tzinfo=UTC)
    if day is not None:
        end = _shift(start, timedelta(days=1))
    elif month is not None:
        end = _shift(start, timedelta(days=31))
        end = end if end == _LAST else end.replace(day=1)
    else:
        end = _LAST if start.year == _LAST.year else start.replace(year=start.year + 1)
    return Span(start, end, end_included=end == _LAST)


def _shift(moment: datetime, by: timedelta) -> datetime:
    """Return the sum, or the limit of the calendar in that direction."""
    try:
        return moment + by
    except OverflowError:
        return _FIRST if by < timedelta() else _LAST


def _moment(text: str, match: re.Match[str]) -> Span:
    local = datetime.fromisoformat(text.upper())
    moment = _shift(local.replace(tzinfo=UTC), -(local.utcoffset() or timedelta()))
    if match["fraction"]:
        return Span(moment, moment)
    end = _shift(moment, timedelta(seconds=1) if match["seconds"] else timedelta(minutes=1))
    return Span(moment, end, end_included=end == _LAST)
