"""The response cache: the `cached` mark of endpoints, and the middleware that serves cached responses.

The middleware precedes the router, so a cached response needs no routing, dependencies or models. An endpoint declares
with `cached` what its responses depend on, and is otherwise independent of the cache.
"""

import hashlib
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.cache.response_cache import CachedResponse, ResponseCache
from app.core.errors import AppError
from app.db.cache_invalidation import EVERYTHING, LISTS, image_scope
from app.http.requests.conditional import matches, tag_of
from app.http.requests.query_parameters import QueryParameters

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
# Maps the path parameters to the scope that the response depends on; None for an invalid path.
ScopeOf = Callable[[Mapping[str, str]], str | None]
# Returns the part of the cache key that depends on the caller; raises AppError for invalid credentials.
KeyFn = Callable[[Request], Awaitable[str]]
ReportQuota = Callable[[Request], None]

_ATTRIBUTE = "cached_by"
# Headers that describe the body; a 304 has none.
_OF_THE_BODY = (b"content-length", b"content-type")


def cached(scope_of: ScopeOf, report_quota: ReportQuota | None = None) -> Callable[[Endpoint], Endpoint]:
    """Cache the responses of a GET endpoint until their scope changes.

    `report_quota` reports the quota of a rate-limited endpoint with a cached response, which is not charged.
    """

    def mark(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, _ATTRIBUTE, (scope_of, report_quota))
        return endpoint

    return mark


def lists(_parameters: Mapping[str, str]) -> str:
    """Return the scope of lists and counts, which change with every image and tag."""
    return LISTS


def one_image(parameters: Mapping[str, str]) -> str | None:
    """Return the scope of the image `image_id`; None for an invalid id."""
    try:
        return image_scope(UUID(parameters["image_id"]))
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class CachedPath:
    """The paths of one cached endpoint; without a `partition_key`, its responses do not depend on the caller."""

    template: str
    pattern: re.Pattern[str]
    scope_of: ScopeOf
    partition_key: KeyFn | None
    parameters: QueryParameters
    report_quota: ReportQuota | None = None


def cached_path(prefix: str, route: APIRoute, partition_key: KeyFn | None) -> CachedPath | None:
    """Return the paths of a route below the prefix; None if its endpoint is not marked `cached`."""
    mark: tuple[ScopeOf, ReportQuota | None] | None = getattr(route.endpoint, _ATTRIBUTE, None)
    if mark is None:
        return None
    template = prefix + route.path
    parameters = QueryParameters(route.dependant)
    return CachedPath(template, compile_path(template)[0], mark[0], partition_key, parameters, mark[1])


class ResponseCacheMiddleware:
    """Serves GET requests from the cache. The application handles concurrent misses of one key once.

    PostgreSQL authenticates the caller first. The caller is part of the cache key, so no response reaches another one.
    """

    def __init__(self, app: ASGIApp, paths: Iterable[CachedPath]) -> None:
        self.app = app
        self._paths = tuple(paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = self._match(scope) if scope["type"] == "http" and scope["method"] == "GET" else None
        if found is None:
            await self.app(scope, receive, send)
            return
        path, depends_on = found
        query = path.parameters.canonical(scope["query_string"]) if scope["query_string"] else ""
        if query is None:
            # The application refuses the query, which must not become a cache key.
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        try:
            partition = await path.partition_key(request) if path.partition_key else ""
        except AppError:
            # The endpoint raises the same error, which becomes its usual response.
            await self.app(scope, receive, send)
            return
        exchange = _Exchange(self.app, scope, receive)
        cache: ResponseCache = scope["state"]["container"].response_cache
        try:
            cached = await cache.get_or_load(
                _name(scope["path"], query, partition), (EVERYTHING, depends_on), exchange.load
            )
        except _NoAnswer:
            await exchange.forward(send)
            return
        if path.report_quota and not exchange.is_used:
            path.report_quota(request)
        scope["state"]["route_template"] = path.template
        await _send(cached, _if_none_match(scope), send)

    def _match(self, scope: Scope) -> tuple[CachedPath, str] | None:
        for path in self._paths:
            if match := path.pattern.match(scope["path"]):
                depends_on = path.scope_of(match.groupdict())
                return None if depends_on is None else (path, depends_on)
        return None


class _NoAnswer(Exception):
    """The application returned another status than 200."""


class _Exchange:
    """One request to the application, with its response held back."""

    def __init__(self, app: ASGIApp, scope: Scope, receive: Receive) -> None:
        self._app, self._scope, self._receive = app, scope, receive
        self._messages: list[Message] = []

    @property
    def is_used(self) -> bool:
        """Whether the application has responded."""
        return bool(self._messages)

    async def load(self) -> CachedResponse:
        """Return the application's response. Raises _NoAnswer unless the status is 200."""
        # The middleware evaluates the condition for each client that shares the response.
        headers = [header for header in self._scope["headers"] if header[0] != b"if-none-match"]
        await self._app({**self._scope, "headers": headers}, self._receive, self._hold)
        start = self._messages[0]
        if start["status"] != 200:
            raise _NoAnswer
        body = b"".join(message.get("body", b"") for message in self._messages[1:])
        return _to_cached_response(start["headers"], body)

    async def forward(self, send: Send) -> None:
        """Send the application's uncached response."""
        for message in self._messages:
            await send(message)

    async def _hold(self, message: Message) -> None:
        self._messages.append(message)


def _to_cached_response(headers: Iterable[tuple[bytes, bytes]], body: bytes) -> CachedResponse:
    """Return a cacheable response with an entity tag and `no-cache`. `no-store` applies to this cache, too."""
    fields = [(name.lower(), value) for name, value in headers]
    names = {name for name, _ in fields}
    if b"etag" not in names:
        fields.append((b"etag", tag_of(body).encode()))
    if b"cache-control" not in names:
        fields.append((b"cache-control", b"no-cache"))
    cacheable = not any(name == b"cache-control" and b"no-store" in value for name, value in fields)
    return CachedResponse(fields, body, cacheable)


async def _send(cached: CachedResponse, condition: str | None, send: Send) -> None:
    status, headers, body = 200, cached.headers.copy(), cached.body
    if condition is not None and matches(condition, cached.etag):
        status, headers, body = 304, [header for header in headers if header[0] not in _OF_THE_BODY], b""
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _if_none_match(scope: Scope) -> str | None:
    listed = [value.decode("latin-1") for name, value in scope["headers"] if name == b"if-none-match"]
    return ",".join(listed) if listed else None


def _name(path: str, query: str, partition: str) -> str:
    """Return the cache key: path, canonical query and the partition of the caller."""
    identity = f"{partition}\n{path}\n{query}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(identity, digest_size=16).hexdigest()
