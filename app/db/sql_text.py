"""SQL as text, put together from constants; every value goes beside it, bound.

Building the same statements from SQLAlchemy's expressions took two thirds of a search's time in the service.
"""

from collections.abc import Iterable
from typing import Any

# Conditions name no table: a statement has one relation whose columns are those of `images`.
Condition = str
EVERY: Condition = "TRUE"
NONE: Condition = "FALSE"


class Values:
    """The values of one statement, in the order of the `$1`, `$2` that stand for them in its text."""

    def __init__(self) -> None:
        self.listed: list[Any] = []

    def bind(self, value: Any, cast: str | None = None) -> str:
        """Take a value in and return what stands for it, as this type where the text around does not tell."""
        self.listed.append(value)
        stand_in = self._stand_in(len(self.listed))
        return f"CAST({stand_in} AS {cast})" if cast else stand_in

    def _stand_in(self, number: int) -> str:
        return f"${number}"


class NamedValues(Values):
    """The same for a statement that SQLAlchemy runs, which wants names: `:v1`, `:v2`."""

    @property
    def by_name(self) -> dict[str, Any]:
        """The values by these names."""
        return {f"v{number}": value for number, value in enumerate(self.listed, 1)}

    def _stand_in(self, number: int) -> str:
        return f":v{number}"


def all_true(conditions: Iterable[Condition]) -> Condition:
    """Join by AND."""
    found = [one for one in conditions if one != EVERY]
    return f"({' AND '.join(found)})" if found else EVERY


def any_true(conditions: Iterable[Condition]) -> Condition:
    """Join by OR."""
    found = [one for one in conditions if one != NONE]
    return f"({' OR '.join(found)})" if found else NONE
