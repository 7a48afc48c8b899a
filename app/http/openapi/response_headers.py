"""Documents the headers of requests and responses, which follow from the statuses of an operation."""

from collections.abc import Collection, Iterator
from typing import Any

from app.core.errors import InsufficientScope, PreconditionFailed
from app.http.openapi.deprecation import SINCE, SUNSET
from app.http.problems import MEDIA_TYPE, RATE_LIMITED

_TEXT = {"type": "string"}
_NUMBER = {"type": "integer", "minimum": 0}

# name: (schema, description)
_RESPONSE_HEADERS: dict[str, tuple[dict[str, Any], str]] = {
    "Accept-Ranges": (_TEXT, "`bytes`: the operation accepts range requests."),
    "Cache-Control": (_TEXT, "Whether and for how long the response may be cached."),
    "Content-Disposition": (_TEXT, "The file name, as in RFC 6266."),
    "Content-Range": (_TEXT, "The range of bytes in this response, and the total: `bytes 0-99/1234`."),
    "Deprecation": (_TEXT, "The time since which the operation is deprecated: `@1764547200`, as in RFC 9745."),
    "ETag": (_TEXT, "The strong entity tag, for `If-None-Match` and `If-Match`."),
    "Last-Modified": (_TEXT, "The time at which the image was stored."),
    "Link": (_TEXT, 'The next page, if there is one: `<...>; rel="next"`.'),
    "Location": (_TEXT, "The path of the new resource, or the target of the redirect."),
    "RateLimit": (_TEXT, 'The remaining quota, and the seconds until it is complete again: `"login";r=3;t=42`.'),
    "RateLimit-Limit": (_NUMBER, "The number of requests in a window of the most restrictive quota."),
    "RateLimit-Policy": (_TEXT, 'The quota and its window in seconds: `"login";q=10;w=60`.'),
    "RateLimit-Remaining": (_NUMBER, "The number of remaining requests."),
    "RateLimit-Reset": (_NUMBER, "Seconds until the quota is complete again."),
    "Retry-After": (_NUMBER, "Seconds to wait before the next attempt."),
    "Sunset": (_TEXT, "The time after which the operation may be removed, as in RFC 8594."),
    "WWW-Authenticate": (_TEXT, "`Bearer`, with `error` and `error_description` of RFC 6750 if a token was sent."),
    "X-Request-ID": (_TEXT, "The request id: that of the client if it is valid, otherwise a new one."),
}
_REQUEST_HEADERS = {
    "If-Match": "Continue only if the resource has this entity tag; otherwise 412.",
    "If-Modified-Since": "Return 304 unless the image was stored after this time.",
    "If-None-Match": "Return 304 if the resource has this entity tag.",
    "If-Range": "Apply the range only if the content still has this entity tag or time.",
    "If-Unmodified-Since": "Return 412 if the image was stored after this time.",
    "Range": "One range of bytes: `bytes=0-99`.",
}
# Headers of a deprecated operation, and the members that its declaration has then.
_ANNOUNCEMENT = {"Deprecation": SINCE, "Sunset": SUNSET}
# Marks a 200 response that is a page, although the cursor is no parameter.
PAGED = "x-paged"
_RATE_LIMIT = [name for name in _RESPONSE_HEADERS if name.startswith("RateLimit")]
COMPONENTS: dict[str, Any] = {
    "headers": {name: {"description": text, "schema": schema} for name, (schema, text) in _RESPONSE_HEADERS.items()},
    "parameters": {
        name: {"name": name, "in": "header", "required": False, "description": text, "schema": _TEXT}
        for name, text in _REQUEST_HEADERS.items()
    },
}


def describe_headers(method: str, operation: dict[str, Any]) -> None:
    """Add the headers of an operation's requests and responses."""
    responses = operation["responses"]
    is_limited = responses.get("429", {}).pop(RATE_LIMITED, False)
    parameters = [{"$ref": f"#/components/parameters/{name}"} for name in _request_headers(method, responses)]
    if parameters:
        operation["parameters"] = [*operation.get("parameters", ()), *parameters]
    has_cursor = any(one.get("name") == "cursor" for one in operation.get("parameters", ()))
    is_paged = responses.get("200", {}).pop(PAGED, has_cursor)
    for status, response in responses.items():
        names = {*_response_headers(status, responses), *(["Link"] if is_paged and status == "200" else [])}
        names.update(_RATE_LIMIT if is_limited else ())
        names.update(name for name, member in _ANNOUNCEMENT.items() if member in operation)
        response["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in sorted(names)}


def _request_headers(method: str, responses: dict[str, Any]) -> Iterator[str]:
    if "304" in responses:
        yield "If-None-Match"
    if _has_precondition(responses):
        yield "If-Match"
        if method == "GET":
            yield from ("If-Modified-Since", "If-Unmodified-Since")
    if "206" in responses:
        yield from ("Range", "If-Range")


def _response_headers(status: str, responses: dict[str, Any]) -> Iterator[str]:
    yield "X-Request-ID"
    if status in ("201", "302"):
        yield "Location"
    if status == "401" or InsufficientScope.slug in _problem_slugs(status, responses):
        yield "WWW-Authenticate"
    if status in ("429", "503", "default") and MEDIA_TYPE in responses[status].get("content", ()):
        yield "Retry-After"
    if status in ("206", "416"):
        yield "Content-Range"
    if status in ("200", "206", "304"):
        yield from _content_headers(responses)


def _has_precondition(responses: dict[str, Any]) -> bool:
    """Return whether the operation has preconditions on entity tags; 412 has other meanings for resumable uploads."""
    return PreconditionFailed.slug in _problem_slugs("412", responses)


def _problem_slugs(status: str, responses: dict[str, Any]) -> Collection[str]:
    slugs: Collection[str] = responses.get(status, {}).get("content", {}).get(MEDIA_TYPE, {}).get("examples", ())
    return slugs


def _content_headers(responses: dict[str, Any]) -> Iterator[str]:
    if "304" in responses or _has_precondition(responses):
        yield from ("ETag", "Cache-Control")
    if any(kind.startswith("image/") for kind in responses.get("200", {}).get("content", ())):
        yield from ("Content-Disposition", "Last-Modified")
    if "206" in responses:
        yield "Accept-Ranges"
