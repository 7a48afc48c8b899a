"""How often something may happen, as the settings say it: `10/minute`."""

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict

_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_FORM = re.compile(r"([1-9][0-9]{0,8})/(second|minute|hour|day)")


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` at once, and as many again in each `seconds`."""

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
        raise ValueError("must read like 10/minute; second, minute, hour and day are known")
    return Rate(int(match[1]), _SECONDS[match[2]])


RateText = Annotated[Rate, BeforeValidator(parse_rate)]


class Limits(BaseModel):
    """What is allowed for one account, for one address, and in all."""

    model_config = ConfigDict(extra="forbid")

    account: RateText
    address: RateText
    total: RateText
