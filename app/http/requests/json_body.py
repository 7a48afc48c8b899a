"""JSON request bodies: UTF-8 as in RFC 8259, without the extensions of Python's parser."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from starlette.requests import Request

from app.core.errors import MalformedBody, ValidationFailed

MAX_DIGITS = 4300  # sys.int_info.default_max_str_digits
_STRING = r'"(?:[^"\\]|\\.)*"'
_CONSTANT = re.compile(rf"{_STRING}|(NaN|-?Infinity)", re.DOTALL)
_LONG_NUMBER = re.compile(rf"{_STRING}|(\d{{{MAX_DIGITS + 1},}})", re.DOTALL)
_BRACKET = re.compile(rf"{_STRING}|([\[{{}}\]])", re.DOTALL)
# The parser fails near Python's recursion limit, which depends on the stack.
_DEPTH = 500
_REASONS: Mapping[str, str] = MappingProxyType(
    {
        "Expecting value": "a value is missing or invalid",
        "Expecting property name enclosed in double quotes": "a field name in double quotes is missing",
        "Expecting ':' delimiter": "a colon is missing",
        "Expecting ',' delimiter": "a comma is missing",
        "Extra data": "there is text after the end of the document",
        "Unterminated string starting at": "a string has no end",
        "Invalid control character at": "a string contains a control character",
    }
)


class JsonRequest(Request):
    """A request whose JSON body has been parsed."""

    document: Any

    async def json(self) -> Any:
        """Return the parsed body."""
        return self.document


def parse_json(body: bytes) -> Any:
    """Return the value of a JSON document.

    Raises MalformedBody with the 1-based `line` and `column` of the error, and ValidationFailed for a repeated field of
    an object.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = body[: error.start].decode("utf-8-sig")
        raise _malformed(before, len(before), "a byte is not valid UTF-8") from error
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise _malformed(text, error.pos, _REASONS.get(error.msg, "the syntax is invalid")) from error
    except _InvalidConstant as error:
        raise _malformed(text, _find(_CONSTANT, text), "NaN and Infinity are not JSON numbers") from error
    except RecursionError as error:
        raise _malformed(text, _find_depth(text), "the document is nested too deeply") from error
    except ValueError as error:
        raise _malformed(text, _find(_LONG_NUMBER, text), f"a number has over {MAX_DIGITS} digits") from error


class _InvalidConstant(Exception):
    """The document contains NaN or an infinity."""


def _refuse_constant(_name: str) -> None:
    raise _InvalidConstant


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        repeated = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise ValidationFailed.at(["body", repeated], "The field occurs more than once.", "repeated")
    return fields


def _malformed(text: str, position: int, reason: str) -> MalformedBody:
    line = text.count("\n", 0, position) + 1
    column = position - text.rfind("\n", 0, position)
    detail = f"The body is not valid JSON: {reason} at line {line}, column {column}."
    return MalformedBody(detail, line=line, column=column)


def _find(pattern: re.Pattern[str], text: str) -> int:
    """Return the position of the pattern's group outside of strings."""
    return next((match.start(1) for match in pattern.finditer(text) if match[1]), 0)


def _find_depth(text: str) -> int:
    """Return the position of the bracket that nests too deeply."""
    depth = 0
    for match in _BRACKET.finditer(text):
        if match[1]:
            depth += 1 if match[1] in "[{" else -1
            if depth > _DEPTH:
                return match.start()
    return 0
