"""Types and helpers that several groups of settings share."""

from typing import Annotated, TypeAlias

from pydantic import AliasChoices, BeforeValidator, Field, PositiveInt
from pydantic_settings import NoDecode

MIB = 1024 * 1024


def renamed(old: str, new: str) -> AliasChoices:
    """Accept a setting under its old name too; version 2.0 removes the old names."""
    return AliasChoices(new, old)


def split_list(value: object) -> object:
    """Return the parts of a comma-separated text; any other value unchanged."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def split_days(value: object) -> object:
    """Return the days by status class of a text such as `2xx=7,5xx=90`; any other value unchanged."""
    if not isinstance(value, str):
        return value
    pairs = [part.partition("=") for part in value.split(",") if part.strip()]
    return {status_class.strip(): days.strip() for status_class, _, days in pairs}


TextList: TypeAlias = Annotated[list[str], NoDecode, BeforeValidator(split_list)]
StatusClass: TypeAlias = Annotated[str, Field(pattern="^[1-5]xx$")]
DaysByStatus: TypeAlias = Annotated[dict[StatusClass, PositiveInt], NoDecode, BeforeValidator(split_days)]
