"""SQL text assembled from constants; every value is a bound parameter.

Building the same statements from SQLAlchemy's expressions took two thirds of a search's time in the service.
"""

from collections.abc import Iterable
from typing import Any

# Conditions name no table: a statement has one relation, whose columns are those of `images`.
Condition = str
TRUE: Condition = "TRUE"
FALSE: Condition = "FALSE"


class BindParameters:
    """The bound values of one statement, in the order of the placeholders `$1`, `$2` in its text."""

    def __init__(self) -> None:
        self.values: list[Any] = []

    def bind(self, value: Any, cast: str | None = None) -> str:
        """Add a value and return its placeholder, with a cast where the context does not determine the type."""
        self.values.append(value)
        placeholder = self._placeholder(len(self.values))
        return f"CAST({placeholder} AS {cast})" if cast else placeholder

    def _placeholder(self, number: int) -> str:
        return f"${number}"


class NamedParameters(BindParameters):
    """The same with the named placeholders of SQLAlchemy: `:v1`, `:v2`."""

    @property
    def by_name(self) -> dict[str, Any]:
        """The values by the names of their placeholders."""
        return {f"v{number}": value for number, value in enumerate(self.values, 1)}

    def _placeholder(self, number: int) -> str:
        return f":v{number}"


def sql_and(conditions: Iterable[Condition]) -> Condition:
    """Join the conditions by AND; TRUE without any."""
    joined = [one for one in conditions if one != TRUE]
    return f"({' AND '.join(joined)})" if joined else TRUE


def sql_or(conditions: Iterable[Condition]) -> Condition:
    """Join the conditions by OR; FALSE without any."""
    joined = [one for one in conditions if one != FALSE]
    return f"({' OR '.join(joined)})" if joined else FALSE
