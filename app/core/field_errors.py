"""The entries of `errors` in a validation problem: why a value was refused, as a complete sentence."""

from collections.abc import Collection, Sequence
from typing import Any

from app.core.text.suggestions import closest_match

Location = Sequence[str | int]

REQUIRED = "The field is required."
UNKNOWN_FIELD = "The field is unknown."


def sentence(text: str) -> str:
    """Return the text with an upper-case first letter and a full stop."""
    text = text.strip()
    if text[:1].islower():
        text = text[0].upper() + text[1:]
    return text if text.endswith((".", "?", "!")) else f"{text}."


def field_error(loc: Location, msg: str, kind: str, did_you_mean: str | None = None) -> dict[str, Any]:
    """Return one entry of `errors`."""
    error = {"loc": list(loc), "msg": sentence(msg), "type": kind}
    return error if did_you_mean is None else {**error, "did_you_mean": did_you_mean}


def unknown_field(loc: Location, known: Collection[str]) -> dict[str, Any]:
    """Return the entry for a field that the body does not have; `known` are the fields that it has."""
    accepted = f" The accepted fields are: {', '.join(known)}." if known else ""
    return field_error(loc, f"{UNKNOWN_FIELD}{accepted}", "extra_forbidden", closest_match(str(loc[-1]), known))


def unknown_value(loc: Location, value: Any, allowed: Collection[str], kind: str = "enum") -> dict[str, Any]:
    """Return the entry for a value that is not among the allowed ones."""
    suggestion = closest_match(value.casefold(), allowed) if isinstance(value, str) else None
    return field_error(loc, f"The value must be one of: {', '.join(allowed)}.", kind, suggestion)


def summary(errors: Sequence[dict[str, Any]]) -> str:
    """Return the `detail` of a validation problem with these entries."""
    if not errors:
        return "A value is invalid."
    first = errors[0]
    place, *path = first["loc"]
    where = ".".join(str(step) for step in path)
    kind = {"body": "body field", "query": "query parameter", "path": "path parameter"}.get(place, place)
    subject = f"The {kind} {where!r}" if where else f"The {kind.removesuffix(' field')}"
    more = "" if len(errors) == 1 else f" Other invalid values: {len(errors) - 1}."
    return f"{subject} is invalid. {first['msg']}{more}"
