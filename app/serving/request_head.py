"""The rules for the head of a request that uvicorn and its parser leave to the application (RFC 9110, RFC 9112).

A request has one interpretation, or it is refused: a proxy that reads it differently could be made to forward a second
request within the first.
"""

import re
from collections.abc import Iterable

import httptools

from app.core.errors import AppError, BadRequest

Fields = list[tuple[bytes, bytes]]

# Fields with one value, on which a decision depends. Two lines of one are ambiguous.
SINGLE_FIELDS = frozenset({
    b"access-control-request-method",
    b"authorization",
    b"content-disposition",
    b"content-length",
    b"content-type",
    b"host",
    b"idempotency-key",
    b"if-range",
    b"origin",
    b"proxy-authorization",
    b"range",
    b"tus-resumable",
    b"upload-checksum",
    b"upload-complete",
    b"upload-defer-length",
    b"upload-length",
    b"upload-metadata",
    b"upload-offset",
})  # fmt: skip
# The parser knows them too, but they are methods of RTSP and ICE, or need a tunnel.
_FOREIGN_METHODS = frozenset({
    b"ANNOUNCE", b"CONNECT", b"DESCRIBE", b"FLUSH", b"GET_PARAMETER", b"PAUSE", b"PLAY", b"RECORD", b"REDIRECT",
    b"SET_PARAMETER", b"SETUP", b"SOURCE", b"TEARDOWN",
})  # fmt: skip
_PARSER_VERSION_ERRORS = frozenset({"Invalid HTTP version", "Pause on PRI/Upgrade"})
_PARSER_METHOD_ERROR = "Invalid method for HTTP/x.x request"
# RFC 9110, 5.6.2; followed by a space, or by the end of what has arrived.
_METHOD = re.compile(rb"[\r\n]*[!#$%&'*+.^_`|~0-9A-Za-z-]+(?: |\Z)")
# RFC 3986, 3.2.2 and 3.2.3, without user information.
_AUTHORITY = re.compile(
    rb"(?:[A-Za-z0-9._~!$&'()*+,;=-]++|%[0-9A-Fa-f]{2})*+(?::[0-9]{0,5})?|\[[0-9A-Fa-f:.]+\](?::[0-9]{0,5})?"
)
_ABSOLUTE = re.compile(rb"https?://([^/?]+)(.*)", re.IGNORECASE)


class UnsupportedFeature(AppError):
    slug, title, status = "not-implemented", "Unsupported method or transfer coding", 501


class UnsupportedHttpVersion(AppError):
    slug, title, status = "http-version-not-supported", "Unsupported HTTP version", 505


class ExpectationFailed(AppError):
    slug, title, status = "expectation-failed", "Unsupported expectation", 417
    description = "The service supports no expectation other than 100-continue."


def normalize_head(method: bytes, version: str, target: bytes, fields: Fields) -> bytes:
    """Check the head, and return its target in origin form (a path and a query), or `*`.

    `fields` has lower-case names. Repeated fields are combined in place, and an absolute target replaces `Host`.
    Raises BadRequest, ExpectationFailed, UnsupportedFeature, UnsupportedHttpVersion.
    """
    _check_version(version)
    if method in _FOREIGN_METHODS:
        raise UnsupportedFeature(f"The method {method.decode()} is not implemented")
    combined = dict(fields)
    if len(combined) < len(fields):
        combined = _combine(fields)
        fields[:] = combined.items()
    host = combined.get(b"host")
    if host is None and version == "1.1":
        raise BadRequest("An HTTP/1.1 request needs a Host field")
    if host and not _AUTHORITY.fullmatch(host):
        raise BadRequest("The value of the Host field is not a host with an optional port")
    if b"transfer-encoding" in combined:
        _check_transfer_coding(combined[b"transfer-encoding"], version)
    if b"expect" in combined:
        _check_expectation(combined[b"expect"])
    return target if target[:1] == b"/" and b"#" not in target else _origin_form(method, target, fields)


def parser_refusal(error: httptools.HttpParserError, start: bytes) -> AppError:
    """Return the response to a parser error; `start` is the beginning of the head."""
    reason = str(error)
    if reason in _PARSER_VERSION_ERRORS:
        return UnsupportedHttpVersion("The service speaks HTTP/1.0 and HTTP/1.1")
    is_unknown = isinstance(error, httptools.HttpParserInvalidMethodError) and _METHOD.match(start)
    if is_unknown or reason == _PARSER_METHOD_ERROR:
        return UnsupportedFeature("The method is not implemented")
    return BadRequest("The request is not a valid HTTP/1.1 message")


def _check_version(version: str) -> None:
    if version == "0.9":
        raise BadRequest("The request line has no HTTP version")
    if version not in ("1.0", "1.1"):
        raise UnsupportedHttpVersion("The service speaks HTTP/1.0 and HTTP/1.1")


def _combine(fields: Fields) -> dict[bytes, bytes]:
    """Combine repeated fields into one line each (RFC 9110, 5.3). Raises BadRequest."""
    combined: dict[bytes, list[bytes]] = {}
    for name, value in fields:
        if name in SINGLE_FIELDS and name in combined:
            raise BadRequest(f"The header field {name.decode()} is repeated")
        combined.setdefault(name, []).append(value)
    # RFC 9113, 8.2.3, has this separator for cookies.
    return {name: (b"; " if name == b"cookie" else b", ").join(values) for name, values in combined.items()}


def _check_transfer_coding(value: bytes, version: str) -> None:
    codings = list(_members(value))
    if version == "1.0":
        raise BadRequest("HTTP/1.0 has no transfer codings")
    if codings[-1:] != [b"chunked"]:
        raise BadRequest("The last transfer coding of a request is chunked")
    if len(codings) > 1:
        raise UnsupportedFeature("The only transfer coding is chunked")


def _check_expectation(value: bytes) -> None:
    if any(member != b"100-continue" for member in _members(value)):
        raise ExpectationFailed("The only expectation is 100-continue")


def _members(value: bytes) -> Iterable[bytes]:
    return (member.strip(b" \t").lower() for member in value.split(b","))


def _origin_form(method: bytes, target: bytes, fields: Fields) -> bytes:
    if target == b"*" and method == b"OPTIONS":
        return target
    match = _ABSOLUTE.fullmatch(target)
    if match is None or b"#" in target or not _AUTHORITY.fullmatch(match[1]):
        raise BadRequest("The request target is neither a path nor an absolute http URI")
    # The target takes precedence over `Host` (RFC 9112, 3.2.2).
    fields[:] = [(b"host", match[1]), *(field for field in fields if field[0] != b"host")]
    return match[2] if match[2][:1] == b"/" else b"/" + match[2]
