"""Answers that may be kept: which endpoints have such, and how they are sent."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from uuid import UUID

from fastapi import Request, Response

from app.cache.answers import Answer, Header
from app.db.changes import LISTS, image_scope
from app.http.conditional import matches, tag_of

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
# From the parameters of the path to the scope that the answer depends on; None where there is no such thing.
ScopeOf = Callable[[Mapping[str, Any]], str | None]

_ATTRIBUTE = "cached_by"
# What a 304 does not repeat: it has no body to describe.
_OF_THE_BODY = (b"content-length", b"content-type")


def cached(scope_of: ScopeOf) -> Callable[[Endpoint], Endpoint]:
    """Have an endpoint's answers kept until something of their scope changes; `CachedRoute` does it."""

    def mark(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, _ATTRIBUTE, scope_of)
        return endpoint

    return mark


def find_scope_of(endpoint: Callable[..., Any]) -> ScopeOf | None:
    """Return what the endpoint was marked with."""
    scope_of: ScopeOf | None = getattr(endpoint, _ATTRIBUTE, None)
    return scope_of


def lists(_parameters: Mapping[str, Any]) -> str:
    """Whatever lists or counts images or tags changes with any of them."""
    return LISTS


def one_image(parameters: Mapping[str, Any]) -> str | None:
    """One image, by `image_id`."""
    try:
        return image_scope(UUID(parameters["image_id"]))
    except ValueError:
        return None


def to_answer(response: Response) -> Answer:
    """Take a 200 apart for keeping; one without an entity tag gets one. `no-store` is meant for this cache as well."""
    body = bytes(response.body)
    if "etag" not in response.headers:
        response.headers["ETag"] = tag_of(body)
    lasting = "no-store" not in response.headers.get("cache-control", "")
    return Answer(list(response.raw_headers), body, lasting)


class ReadyResponse(Response):
    """A response whose headers and body are what is sent."""

    def __init__(self, status_code: int, headers: list[Header], body: bytes) -> None:
        # Not the base's: it would make again what is there.
        self.status_code = status_code
        self.raw_headers = headers
        self.body = body
        self.background = None


def answer_request(request: Request, answer: Answer) -> Response:
    """Send the answer, or 304 where the client has it already."""
    condition = request.headers.get("if-none-match")
    if condition is None or not matches(condition, _entity_tag(answer)):
        # A copy: the middleware adds its headers to the list.
        return ReadyResponse(200, answer.headers.copy(), answer.body)
    headers = [header for header in answer.headers if header[0] not in _OF_THE_BODY]
    return ReadyResponse(304, headers, b"")


def _entity_tag(answer: Answer) -> str:
    return next(value for name, value in answer.headers if name == b"etag").decode("latin-1")
