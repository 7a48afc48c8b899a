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
    """The values of one statement, by the names that stand for them in its text."""

    def __init__(self) -> None:
        self.by_name: dict[str, Any] = {}

    def bind(self, value: Any, cast: str | None = None) -> str:
        """Take a value in and return what stands for it, as this type where the text around does not tell."""
        name = f"v{len(self.by_name)}"
        self.by_name[name] = value
        return f"CAST(:{name} AS {cast})" if cast else f":{name}"


def all_true(conditions: Iterable[Condition]) -> Condition:
    """Join by AND."""
    found = [one for one in conditions if one != EVERY]
    return f"({' AND '.join(found)})" if found else EVERY


def any_true(conditions: Iterable[Condition]) -> Condition:
    """Join by OR."""
    found = [one for one in conditions if one != NONE]
    return f"({' OR '.join(found)})" if found else NONE
