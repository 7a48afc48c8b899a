"""Rates in settings, such as `10/minute`."""

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict

_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_FORM = re.compile(r"([1-9][0-9]{0,8})/(second|minute|hour|day)")


@dataclass(frozen=True, slots=True)
class Rate:
    """A burst of `count` requests, and `count` more in each `seconds`."""

    count: int
    seconds: int

    @property
    def interval(self) -> float:
        """Seconds after which one more is allowed."""
        return self.seconds / self.count


def parse_rate(text: object) -> object:
    """Read `10/minute`. Raises ValueError."""
    if not isinstance(text, str):
        return text
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError("must have the form 10/minute, with second, minute, hour or day")
    return Rate(int(match[1]), _SECONDS[match[2]])


RateText = Annotated[Rate, BeforeValidator(parse_rate)]


class RateLimitSettings(BaseModel):
    """The rates of one account, of one address and of all callers together."""

    model_config = ConfigDict(extra="forbid")

    account: RateText
    address: RateText
    total: RateText
