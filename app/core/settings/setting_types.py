"""Types and helpers that several groups of settings share."""

from typing import Annotated, TypeAlias

from pydantic import AliasChoices, BeforeValidator
from pydantic_settings import NoDecode

MIB = 1024 * 1024


def renamed(old: str, new: str) -> AliasChoices:
    """Accept a setting under its old name too; version 2.0 removes the old names."""
    return AliasChoices(new, old)


def split_list(value: object) -> object:
    """Return the parts of a comma-separated text; any other value unchanged."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


TextList: TypeAlias = Annotated[list[str], NoDecode, BeforeValidator(split_list)]
