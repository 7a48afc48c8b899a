"""Translates the errors of FastAPI and pydantic into the entries of a validation problem.

The refused value is never repeated, because it may be a password.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from fastapi.routing import APIRoute
from pydantic import BaseModel

from app.core.field_errors import REQUIRED, Location, field_error, sentence, unknown_field, unknown_value

_QUOTED = re.compile(r"'([^']*)'")
# By the type of pydantic's error. The placeholders are keys of its `ctx`.
_SENTENCES: Mapping[str, str] = MappingProxyType(
    {
        "string_type": "The value must be a string.",
        "string_unicode": "The value must be valid Unicode text.",
        "string_sub_type": "The value must be a string.",
        "string_too_short": "The value must have at least {min_length} characters.",
        "string_too_long": "The value must have at most {max_length} characters.",
        "string_pattern_mismatch": "The value does not have the required format.",
        "bool_type": "The value must be true or false.",
        "bool_parsing": "The value must be true or false.",
        "int_type": "The value must be an integer.",
        "int_parsing": "The value must be an integer.",
        "int_parsing_size": "The value must be a smaller integer.",
        "int_from_float": "The value must be an integer.",
        "float_type": "The value must be a number.",
        "float_parsing": "The value must be a number.",
        "finite_number": "The value must be a finite number.",
        "greater_than": "The value must be greater than {gt}.",
        "greater_than_equal": "The value must be at least {ge}.",
        "less_than": "The value must be less than {lt}.",
        "less_than_equal": "The value must be at most {le}.",
        "multiple_of": "The value must be a multiple of {multiple_of}.",
        "list_type": "The value must be a list.",
        "too_short": "The list must have at least {min_length} items.",
        "too_long": "The list must have at most {max_length} items.",
        "dict_type": "The value must be a JSON object.",
        "model_type": "The value must be a JSON object.",
        "model_attributes_type": "The value must be a JSON object.",
        "none_required": "The value must be null.",
        "uuid_type": "The value must be a UUID.",
        "uuid_parsing": "The value must be a UUID.",
        "timezone_aware": "The time must have a UTC offset, for example 2026-11-22T10:00:00Z.",
    }
)
_TIME = "The value must be an RFC 3339 time, for example 2026-11-22T10:00:00Z."


def translate(error: Mapping[str, Any], route: Any) -> dict[str, Any]:
    """Return the entry for one of pydantic's errors. Suggestions come from the requested `route`."""
    kind, loc, context = error["type"], list(error["loc"]), error.get("ctx") or {}
    if kind == "missing":
        is_field = loc[0] == "body"
        return field_error(loc, REQUIRED if is_field else "The parameter is required.", kind)
    if kind == "extra_forbidden":
        return unknown_field(loc, _known_fields(route, loc))
    if kind in ("literal_error", "enum"):
        return unknown_value(loc, error.get("input"), _options(str(context.get("expected", ""))), kind)
    return field_error(loc, _text(kind, str(error["msg"]), context), kind, context.get("did_you_mean"))


def _options(expected: str) -> list[str]:
    """Return the values that pydantic lists: `'a', 'b' or 'c'`, or `1, 2 or 3`."""
    return _QUOTED.findall(expected) or re.split(", | or ", expected)


def _text(kind: str, message: str, context: Mapping[str, Any]) -> str:
    if kind in _SENTENCES:
        return _SENTENCES[kind].format_map(context)
    if kind.startswith(("datetime_", "date_")):
        return _TIME
    if kind == "value_error" and "error" in context:
        return sentence(str(context["error"]))
    return sentence(message.replace("Input should", "The value must"))


def _known_fields(route: Any, loc: Location) -> list[str]:
    """Return the field names of the object that contains `loc`; an empty list if it is unknown."""
    if not isinstance(route, APIRoute) or route.body_field is None:
        return []
    model: Any = route.body_field.field_info.annotation
    for step in loc[1:-1]:
        fields = model.model_fields if _is_model(model) else {}
        model = fields[step].annotation if step in fields else None
    return list(model.model_fields) if _is_model(model) else []


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
