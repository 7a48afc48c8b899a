"""Times as clients send them: RFC 3339 with an offset, and no numbers. Local times as the service returns them."""

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BeforeValidator

MAX_LENGTH = 40
_RFC3339 = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})?")


def _refuse_other_forms(value: object) -> object:
    """Return a text of the right form. Raises ValueError for numbers and dates, which pydantic would convert."""
    if isinstance(value, str) and len(value) <= MAX_LENGTH and _RFC3339.fullmatch(value):
        return value
    message = "The value must be an RFC 3339 time, for example 2026-11-22T10:00:00Z."
    raise ValueError(message)


def format_local_time(moment: datetime, offset: int | None) -> str:
    """Return a local time in the form of ISO 8601, with its offset from UTC in minutes if that is known."""
    if offset is None:
        return moment.isoformat()
    hours, minutes = divmod(abs(offset), 60)
    return f"{moment.isoformat()}{'-' if offset < 0 else '+'}{hours:02}:{minutes:02}"


def _to_utc(value: datetime) -> datetime:
    """Return the time in UTC. Raises ValueError if its year is not one from 1 to 9999, which the database refuses."""
    try:
        return value.astimezone(UTC)
    except OverflowError:
        message = "The value must be a time from the years 1 to 9999 in UTC."
        raise ValueError(message) from None


Timestamp = Annotated[AwareDatetime, AfterValidator(_to_utc), BeforeValidator(_refuse_other_forms)]
