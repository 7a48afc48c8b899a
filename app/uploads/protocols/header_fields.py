"""Parses the header fields that both upload protocols share."""

import base64
import re

from starlette.datastructures import Headers

from app.core.errors import PayloadTooLarge
from app.uploads.errors import InvalidUploadHeader

# 15 digits are the limit of an integer in a structured field (RFC 9651, 3.3.1).
_INTEGER = re.compile(r"[0-9]{1,15}")
_DIGITS = re.compile(r"[0-9]+")
_BOOLEAN = {"?0": False, "?1": True}


def parse_integer(headers: Headers, name: str) -> int | None:
    """Return a structured integer; None if it is missing or malformed (draft-ietf-httpbis-resumable-upload, 4.1)."""
    value = _item(headers, name)
    return int(value) if _INTEGER.fullmatch(value) else None


def parse_boolean(headers: Headers, name: str) -> bool | None:
    """Return a structured boolean; None if it is missing or malformed."""
    return _BOOLEAN.get(_item(headers, name))


def parse_size(headers: Headers, name: str) -> int | None:
    """Return a number of bytes of tus 1.0.0. Raises InvalidUploadHeader; PayloadTooLarge above 15 digits."""
    value = headers.get(name)
    if value is None:
        return None
    if not _DIGITS.fullmatch(value):
        raise InvalidUploadHeader(f"{name} must be a number of bytes.")
    if len(value) > 15:
        raise PayloadTooLarge(f"{name} is larger than every file can be.")
    return int(value)


def content_length(headers: Headers) -> int | None:
    """Return the length of the body; None if it is unknown, 0 without a body."""
    value = headers.get("content-length", "")
    if value.isdecimal():
        return int(value)
    return None if "transfer-encoding" in headers else 0


def decode_base64(value: str) -> bytes | None:
    """Return the bytes; None if the value is not strict Base64."""
    try:
        return base64.b64decode(value, validate=True)
    except ValueError:
        return None


def _item(headers: Headers, name: str) -> str:
    return headers.get(name, "").partition(";")[0].strip(" ")
