"""Pure-ASGI middleware that every request passes: its identity, its limits, and the last line against a bug."""

import asyncio
import re
import secrets
from collections import Counter

import anyio
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, reset_contextvars

from app.core.callers import Caller, current_caller
from app.core.errors import ServiceStopping
from app.core.observability.logging import get_logger
from app.http.container import Services
from app.http.middleware.request_recording import route_template
from app.http.problems import error_response, internal_error_response, slug_of
from app.ratelimit.request_quota import Quota, Quotas

logger = get_logger(__name__)

MAX_BODY_BYTES = 1024 * 1024
# Of all requests in progress, and of those of one address: a body takes up to BODY_SECONDS to arrive.
MAX_BUFFERED_BYTES = 64 * 1024 * 1024
MAX_BUFFERED_BYTES_EACH = 16 * 1024 * 1024
# Less than a drain has, for a client that begins to trickle when it begins.
BODY_SECONDS = 15
# A browser that was here once uses HTTPS for a year. Browsers ignore the header of a plain connection (RFC 6797, 8.1).
_HSTS = (b"strict-transport-security", b"max-age=31536000")
# No response of these may be stored, errors included, unless the endpoint decides otherwise.
_OF_CREDENTIALS = ("/v1/auth/", "/v1/users")
_SANE_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")


class RequestContextMiddleware:
    """Gives each request an id (a sane incoming one is kept) and each answer the headers that all answers have."""

    def __init__(self, app: ASGIApp, *, is_public_https: bool = False) -> None:
        self.app = app
        self._is_public_https = is_public_https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        incoming = b""
        for name, value in scope["headers"]:
            if name == b"x-request-id":
                incoming = value
                break
        request_id = incoming if _SANE_REQUEST_ID.fullmatch(incoming) else secrets.token_hex(16).encode()
        scope.setdefault("state", {})["request_id"] = request_id.decode()
        services: Services = scope["state"]["services"]
        is_secure = self._is_public_https or scope.get("scheme") == "https"
        has_credentials = scope["path"].startswith(_OF_CREDENTIALS)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = [(b"x-request-id", request_id), (b"x-content-type-options", b"nosniff")]
                if quotas.most_restrictive:
                    own += quota_headers(quotas.most_restrictive)
                if is_secure:
                    own.append(_HSTS)
                if has_credentials and not _has_header(message, b"cache-control"):
                    own.append((b"cache-control", b"no-store"))
                if services.drain.is_ending:
                    own.append((b"connection", b"close"))
                message = {**message, "headers": [*message.get("headers", ()), *own]}
            await send(message)

        context = bind_contextvars(request_id=request_id.decode())
        client = scope.get("client")
        caller_token = current_caller.set(Caller(client[0] if client else None))
        try:
            with Quotas() as quotas:
                await self.app(scope, receive, send_with_headers)
        finally:
            current_caller.reset(caller_token)
            reset_contextvars(**context)


def _has_header(message: Message, name: bytes) -> bool:
    return any(one.lower() == name for one, _ in message.get("headers", ()))


def quota_headers(quota: Quota) -> list[tuple[bytes, bytes]]:
    """Return the headers that describe a quota.

    `RateLimit` and `RateLimit-Policy` are those of draft-ietf-httpapi-ratelimit-headers-10, the others of draft 06.
    """
    policy = quota.policy.encode()
    return [
        (b"ratelimit-limit", b"%d" % quota.limit),
        (b"ratelimit-remaining", b"%d" % quota.remaining),
        (b"ratelimit-reset", b"%d" % quota.reset),
        (b"ratelimit-policy", b'"%b";q=%d;w=%d' % (policy, quota.limit, quota.seconds)),
        (b"ratelimit", b'"%b";r=%d;t=%d' % (policy, quota.remaining, quota.reset)),
    ]


class InternalErrorMiddleware:
    """Answers a bug with a problem document that hides it, and logs it; a started answer is cut instead.

    A request that is cancelled is one that a drain has no more time for: it is answered too. A backend that fails once
    the answer has begun is no bug: the connection is cut, so that nobody takes what they have for the whole.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def watched_send(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, watched_send)
        except ClientDisconnect:
            # Nobody is there to answer, and nothing went wrong on our side.
            scope["state"]["error_slug"] = "client-disconnected"
        except asyncio.CancelledError:
            scope["state"]["error_slug"] = ServiceStopping.slug
            if started:
                _log_aborted(scope)
            else:
                await error_response(scope["state"]["request_id"], ServiceStopping())(scope, receive, send)
        except Exception as error:
            # Starlette wraps what it would have made an answer of.
            slug = slug_of(error.__cause__) if started else None
            scope["state"]["error_slug"] = slug or "internal-error"
            if slug:
                _log_aborted(scope)
                return
            logger.exception("unhandled error", **_fields(scope))
            if started:
                raise
            await internal_error_response(scope["state"]["request_id"])(scope, receive, send)


def _log_aborted(scope: Scope) -> None:
    logger.warning("response aborted", **_fields(scope), error=scope["state"]["error_slug"])


def _fields(scope: Scope) -> dict[str, str]:
    # Not the path: names that clients chose stand in it.
    return {"method": scope["method"], "route": route_template(scope)}


class BodyLimitMiddleware:
    """Bounds bodies in size (413) and in time (408), but on the routes that stream theirs by rules of their own."""

    def __init__(self, app: ASGIApp, streamed: frozenset[tuple[str, str]]) -> None:
        self.app = app
        self.streamed = streamed
        self._budget = _BodyBudget()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (scope["method"], scope["path"]) not in self.streamed:
            caller = current_caller.get() or Caller(None)
            body = _BoundedBody(receive, _declared_length(scope["headers"]), self._budget, caller)
            caller.is_gone = body.is_gone
            try:
                await self.app(scope, body.receive, body.watch(send) if body.is_expected else send)
            finally:
                body.close()
        else:
            await self.app(scope, receive, send)


class _BodyBudget:
    """The bytes of the bodies of all requests in progress, in all and by address."""

    def __init__(self) -> None:
        self._total = 0
        self._by_address: Counter[str] = Counter()

    def add(self, address: str, size: int) -> None:
        """Count bytes that have arrived. Raises HTTPException when they are too many."""
        self._total += size
        self._by_address[address] += size
        if self._by_address[address] > MAX_BUFFERED_BYTES_EACH:
            raise HTTPException(
                429, "The bodies of earlier requests of this client have not arrived yet.", {"Retry-After": "1"}
            )
        if self._total > MAX_BUFFERED_BYTES:
            raise HTTPException(503, "The service is receiving too many request bodies.", {"Retry-After": "1"})

    def remove(self, address: str, size: int) -> None:
        """Forget the bytes of a request that has ended."""
        self._total -= size
        self._by_address[address] -= size
        if not self._by_address[address]:
            del self._by_address[address]


def _declared_length(headers: list[tuple[bytes, bytes]]) -> int | None:
    """Return the length of a body in bytes, 0 without one; None if it is chunked."""
    for name, value in headers:
        if name == b"content-length" and value.isdigit():
            return int(value)
        if name == b"transfer-encoding":
            return None
    return 0


class _BoundedBody:
    """A body that has to be here soon after it was first asked for: whoever trickles holds a task and a socket."""

    __slots__ = (
        "_ahead",
        "_budget",
        "_caller",
        "_counted",
        "_deadline",
        "_declared",
        "_is_answered",
        "_is_whole",
        "_receive",
        "_received",
    )

    def __init__(self, receive: Receive, declared: int | None, budget: _BodyBudget, caller: Caller) -> None:
        self._receive = receive
        # In bytes; None for a chunked body.
        self._declared = declared
        self._is_answered = False
        self._budget = budget
        self._caller = caller
        # The bytes that the budget counts: those that are kept.
        self._counted = 0
        # A message that `is_gone` has read before the application asked for it.
        self._ahead: Message | None = None
        self._received = 0
        self._deadline: float | None = None
        self._is_whole = False

    async def receive(self) -> Message:
        """Raises HTTPException: the framework lets no other error of a body's pass."""
        if self._ahead is not None:
            message, self._ahead = self._ahead, None
            return message
        if self._is_whole:
            # From here on one waits for the client to go, for as long as the answer takes.
            return await self._receive()
        if self._is_answered:
            return await self._receive_disconnect()
        if self._declared is not None and self._declared > MAX_BODY_BYTES:
            raise HTTPException(413, f"The body is larger than {MAX_BODY_BYTES} bytes")
        if self._deadline is None:
            self._deadline = asyncio.get_running_loop().time() + BODY_SECONDS
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError as error:
            raise HTTPException(408, f"The body took longer than {BODY_SECONDS} s", {"Connection": "close"}) from error
        if size := len(message.get("body", b"")):
            self._received += size
            self._counted += size
            self._budget.add(self._caller.address, size)
        if self._received > MAX_BODY_BYTES:
            raise HTTPException(413, f"The body is larger than {MAX_BODY_BYTES} bytes")
        self._is_whole = not message.get("more_body", False)
        return message

    @property
    def is_expected(self) -> bool:
        """Whether the request has a body."""
        return self._declared != 0

    def watch(self, send: Send) -> Send:
        """Note when the response begins: from then on the body is discarded."""

        async def watched_send(message: Message) -> None:
            self._is_answered = True
            await send(message)

        return watched_send

    async def _receive_disconnect(self) -> Message:
        """Discard a body that no operation has asked for, such as that of a GET, without an end to its response."""
        while self._received <= MAX_BODY_BYTES:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                return message
            self._received += len(message.get("body", b""))
        # What is not read stays with the client.
        return await asyncio.Future[Message]()

    def close(self) -> None:
        """Give the bytes back: the request has ended."""
        if self._counted:
            self._budget.remove(self._caller.address, self._counted)

    async def is_gone(self) -> bool:
        """Return whether the client has disconnected, without a wait and without taking a part of the body."""
        if self._ahead is None and not self._is_whole:
            self._ahead = await _poll(self.receive)
        # Once the body is whole, the only message that may follow is the disconnection.
        message = await _poll(self._receive) if self._is_whole else None
        return any(one is not None and one["type"] == "http.disconnect" for one in (self._ahead, message))


async def _poll(receive: Receive) -> Message | None:
    """Return a message that has arrived already, None when there is none."""
    with anyio.CancelScope() as scope:
        scope.cancel()
        return await receive()
    return None


class HeadMiddleware:
    """Answers HEAD wherever GET works: the same headers, no body."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return
        # Streaming endpoints look at this, so as not to fetch bytes that nobody gets.
        scope["state"]["is_head"] = True

        async def send_head(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        await self.app({**scope, "method": "GET"}, receive, send_head)
