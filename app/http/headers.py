"""The headers of requests and answers, as OpenAPI tells them: each follows from the statuses that an operation has."""

from collections.abc import Iterator
from typing import Any

from app.http.problems import MEDIA_TYPE

_TEXT = {"type": "string"}
_NUMBER = {"type": "integer", "minimum": 0}

# name: (schema, description)
_OF_ANSWERS: dict[str, tuple[dict[str, Any], str]] = {
    "Accept-Ranges": (_TEXT, "`bytes`: a part of it may be asked for"),
    "Cache-Control": (_TEXT, "Who may keep the answer, and for how long"),
    "Content-Disposition": (_TEXT, "The file's name, after RFC 6266"),
    "Content-Range": (_TEXT, "Which bytes these are, and of how many: `bytes 0-99/1234`"),
    "ETag": (_TEXT, "The strong entity tag, for `If-None-Match` and `If-Match`"),
    "Last-Modified": (_TEXT, "When the image was stored"),
    "Link": (_TEXT, 'The next page, where there is one: `<…>; rel="next"`'),
    "Location": (_TEXT, "Where to go on: what was made, or the page to go to"),
    "RateLimit-Limit": (_NUMBER, "Uses in the window of the limit that will be reached first"),
    "RateLimit-Policy": (_TEXT, "The limit and its window in seconds: `10;w=60`"),
    "RateLimit-Remaining": (_NUMBER, "How many of them are left"),
    "RateLimit-Reset": (_NUMBER, "Seconds after which, unused, all of them are left"),
    "Retry-After": (_NUMBER, "Seconds after which another try makes sense"),
    "WWW-Authenticate": (_TEXT, "`Bearer`"),
    "X-Request-ID": (_TEXT, "The id of the request: the client's own, or a new one"),
}
_OF_REQUESTS = {
    "If-Match": "Go on only if the resource still has this entity tag; else 412",
    "If-Modified-Since": "304 if it was not stored after this time",
    "If-None-Match": "304 if the resource has this entity tag",
    "If-Range": "An entity tag or a time: the range counts only if it still is that of the content",
    "If-Unmodified-Since": "412 if it was stored after this time",
    "Range": "One range of bytes: `bytes=0-99`",
}
_RATE_LIMIT = [name for name in _OF_ANSWERS if name.startswith("RateLimit-")]
COMPONENTS: dict[str, Any] = {
    "headers": {name: {"description": told, "schema": schema} for name, (schema, told) in _OF_ANSWERS.items()},
    "parameters": {
        name: {"name": name, "in": "header", "required": False, "description": told, "schema": _TEXT}
        for name, told in _OF_REQUESTS.items()
    },
}


def describe_headers(method: str, operation: dict[str, Any]) -> None:
    """Add to an operation the headers that its requests may have and those that its answers have."""
    responses = operation["responses"]
    told = [{"$ref": f"#/components/parameters/{name}"} for name in _request_headers(method, responses)]
    if told:
        operation["parameters"] = [*operation.get("parameters", ()), *told]
    is_paged = any(one.get("name") == "cursor" for one in operation.get("parameters", ()))
    for status, response in responses.items():
        names = {*_answer_headers(status, responses), *(["Link"] if is_paged and status == "200" else [])}
        response["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in sorted(names)}


def _request_headers(method: str, responses: dict[str, Any]) -> Iterator[str]:
    if "304" in responses:
        yield "If-None-Match"
    if "412" in responses:
        yield "If-Match"
        if method == "GET":
            yield from ("If-Modified-Since", "If-Unmodified-Since")
    if "206" in responses:
        yield from ("Range", "If-Range")


def _answer_headers(status: str, responses: dict[str, Any]) -> Iterator[str]:
    yield "X-Request-ID"
    if "429" in responses:
        yield from _RATE_LIMIT
    if status in ("201", "302"):
        yield "Location"
    if status == "401":
        yield "WWW-Authenticate"
    if status in ("429", "503", "default") and MEDIA_TYPE in responses[status].get("content", ()):
        yield "Retry-After"
    if status in ("206", "416"):
        yield "Content-Range"
    if status in ("200", "206", "304"):
        yield from _content_headers(responses)


def _content_headers(responses: dict[str, Any]) -> Iterator[str]:
    if {"304", "412"} & set(responses):
        yield from ("ETag", "Cache-Control")
    if any(kind.startswith("image/") for kind in responses.get("200", {}).get("content", ())):
        yield from ("Content-Disposition", "Last-Modified")
    if "206" in responses:
        yield "Accept-Ranges"
