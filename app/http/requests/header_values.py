"""Parses the values of header fields: their parameters (RFC 9110, 5.6.6), and the media types of `Accept`."""

import re
from urllib.parse import unquote_to_bytes

from fastapi import Request

# Values that are neither tokens nor quoted, such as file names with spaces, end at the next semicolon.
_PARAMETER = re.compile(
    rb";[ \t]*(?:([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*=[ \t]*(?:\"((?:[^\"\\]|\\.)*)\"|([^;\"]*)))?[ \t]*", re.DOTALL
)
# Browsers escape only quotation marks; some clients also escape backslashes. A Windows path has neither escaped.
_QUOTED_PAIR = re.compile(rb'\\(["\\])')
# RFC 8187, 3.2, extended by characters that a quoted string may contain, such as a space.
_EXTENDED = re.compile(rb"(utf-8|iso-8859-1)'[A-Za-z0-9-]*'((?:[ -$&-~]|%[0-9A-Fa-f]{2})*)", re.IGNORECASE)


def parse_parameters(field: bytes) -> tuple[bytes, dict[bytes, bytes]]:
    """Return the lower-case value before the parameters, and the parameters by lower-case name.

    An example is `form-data; name="image"; filename*=UTF-8''k%C3%A4se.png`.

    Raises ValueError for a repeated parameter, which is ambiguous, and for invalid syntax.
    """
    end = field.find(b";")
    end = len(field) if end < 0 else end
    value, parameters = field[:end].strip(b" \t").lower(), dict[bytes, bytes]()
    while end < len(field):
        match = _PARAMETER.match(field, end)
        if match is None:
            raise ValueError("not a parameter")
        end = match.end()
        if match[1] is None:
            continue
        name = match[1].lower()
        if name in parameters:
            raise ValueError("a repeated parameter")
        quoted = match[2]
        parameters[name] = match[3].strip(b" \t") if quoted is None else _QUOTED_PAIR.sub(rb"\1", quoted)
    return value, parameters


def decode_extended(value: bytes) -> str | None:
    """Decode the value of a parameter whose name ends in `*` (RFC 8187); None if it is malformed."""
    match = _EXTENDED.fullmatch(value)
    if match is None:
        return None
    try:
        return unquote_to_bytes(match[2]).decode(match[1].decode())
    except UnicodeDecodeError:
        return None


def accepts(request: Request, media_type: str) -> bool:
    """Return whether `Accept` names this media type. Wildcards do not count: curl and API clients send `*/*`."""
    kinds = request.headers.get("accept", "").lower().split(",")
    return any(kind.partition(";")[0].strip() == media_type for kind in kinds)


def accepts_html(request: Request) -> bool:
    """Return whether the client is a browser that opens a page."""
    return accepts(request, "text/html")
