"""Pure ASGI middleware of every request: request id, headers, body limits, HEAD, and unhandled errors."""

import asyncio
import re
import secrets
from collections import Counter
from functools import lru_cache

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, reset_contextvars

from app.core.callers import Caller, current_caller
from app.core.errors import ServiceStopping
from app.core.observability.logging import get_logger
from app.http.container import Container
from app.http.middleware.request_recording import route_template
from app.http.problems import error_response, internal_error_response, slug_of
from app.ratelimit.request_quota import Quota, Quotas

logger = get_logger(__name__)

MAX_BODY_BYTES = 1024 * 1024
# The limits for all requests in progress and for those of one address. A body may take BODY_SECONDS to arrive.
MAX_BUFFERED_BYTES = 64 * 1024 * 1024
MAX_BUFFERED_BYTES_EACH = 16 * 1024 * 1024
# Shorter than a drain, because a client may start a slow body when the drain starts.
BODY_SECONDS = 15
# Makes a browser use HTTPS for a year. Browsers ignore the header on a plain connection (RFC 6797, 8.1).
_HSTS = (b"strict-transport-security", b"max-age=31536000")
# Responses of these paths, including errors, must not be stored unless the endpoint allows it.
_OF_CREDENTIALS = ("/v1/auth/", "/v1/users")
_VALID_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")


class RequestContextMiddleware:
    """Gives each request an id and each response the common headers. A valid id of the client is kept."""

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
        request_id = incoming if _VALID_REQUEST_ID.fullmatch(incoming) else secrets.token_hex(16).encode()
        scope.setdefault("state", {})["request_id"] = request_id.decode()
        container: Container = scope["state"]["container"]
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
                if container.shutdown.is_ending:
                    own.append((b"connection", b"close"))
                message = {**message, "headers": [*message.get("headers", ()), *own]}
            await send(message)

        context = bind_contextvars(request_id=request_id.decode())
        client = scope.get("client")
        caller_token = current_caller.set(Caller(client[0] if client else None, request_id.decode()))
        try:
            with Quotas() as quotas:
                await self.app(scope, receive, send_with_headers)
        finally:
            current_caller.reset(caller_token)
            reset_contextvars(**context)


def _has_header(message: Message, name: bytes) -> bool:
    return any(one.lower() == name for one, _ in message.get("headers", ()))


# Quotas of cached responses repeat within a second.
@lru_cache(256)
def quota_headers(quota: Quota) -> tuple[tuple[bytes, bytes], ...]:
    """Return the headers that describe a quota.

    `RateLimit` and `RateLimit-Policy` follow draft-ietf-httpapi-ratelimit-headers-10; the others follow draft 06.
    """
    policy = quota.policy.encode()
    return (
        (b"ratelimit-limit", b"%d" % quota.limit),
        (b"ratelimit-remaining", b"%d" % quota.remaining),
        (b"ratelimit-reset", b"%d" % quota.reset),
        (b"ratelimit-policy", b'"%b";q=%d;w=%d' % (policy, quota.limit, quota.seconds)),
        (b"ratelimit", b'"%b";r=%d;t=%d' % (policy, quota.remaining, quota.reset)),
    )


class InternalErrorMiddleware:
    """Logs an unhandled error and returns a problem document without details. A started response is aborted.

    A drain cancels the requests that exceed its timeout; they get a response, too. A backend failure after the start of
    the response is not a bug. It aborts the connection, so that the client does not accept an incomplete body.
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
            # The client has disconnected, which is not an error of the service.
            scope["state"]["error_slug"] = "client-disconnected"
        except asyncio.CancelledError:
            scope["state"]["error_slug"] = ServiceStopping.slug
            if started:
                _log_aborted(scope)
            else:
                response = error_response(scope["state"]["request_id"], _path_prefix(scope), ServiceStopping())
                await response(scope, receive, send)
        except Exception as error:
            # Starlette wraps an error that it can no longer convert to a response.
            slug = slug_of(error.__cause__) if started else None
            scope["state"]["error_slug"] = slug or "internal-error"
            if slug:
                _log_aborted(scope)
                return
            logger.exception("unhandled error", **_fields(scope))
            if started:
                raise
            await internal_error_response(scope["state"]["request_id"], _path_prefix(scope))(scope, receive, send)


def _path_prefix(scope: Scope) -> str:
    container: Container = scope["state"]["container"]
    return container.settings.path_prefix


def _log_aborted(scope: Scope) -> None:
    logger.warning("response aborted", **_fields(scope), error=scope["state"]["error_slug"])


def _fields(scope: Scope) -> dict[str, str]:
    # Not the path, because it contains names that clients chose.
    return {"method": scope["method"], "route": route_template(scope)}


class BodyLimitMiddleware:
    """Limits the size (413) and the duration (408) of bodies, except on streaming routes with their own limits."""

    def __init__(self, app: ASGIApp, streamed: re.Pattern[str]) -> None:
        self.app = app
        self.streamed = streamed
        self._budget = _BodyBudget()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._is_streamed(scope):
            caller = current_caller.get() or Caller(None)
            body = _BoundedBody(receive, _declared_length(scope["headers"]), self._budget, caller)
            caller.is_disconnected = body.is_disconnected
            try:
                await self.app(scope, body.receive, body.watch(send) if body.is_expected else send)
            finally:
                body.close()
        else:
            await self.app(scope, receive, send)

    def _is_streamed(self, scope: Scope) -> bool:
        return scope["method"] in ("POST", "PATCH") and self.streamed.fullmatch(scope["path"]) is not None


class _BodyBudget:
    """The body bytes of all requests in progress, in total and by address."""

    def __init__(self) -> None:
        self._total = 0
        self._by_address: Counter[str] = Counter()

    def add(self, address: str, size: int) -> None:
        """Count received bytes. Raises HTTPException above a limit."""
        self._total += size
        self._by_address[address] += size
        if self._by_address[address] > MAX_BUFFERED_BYTES_EACH:
            raise HTTPException(
                429, "The bodies of earlier requests of this client have not arrived yet.", {"Retry-After": "1"}
            )
        if self._total > MAX_BUFFERED_BYTES:
            raise HTTPException(503, "The service is receiving too many request bodies.", {"Retry-After": "1"})

    def remove(self, address: str, size: int) -> None:
        """Subtract the bytes of a request that has ended."""
        self._total -= size
        self._by_address[address] -= size
        if not self._by_address[address]:
            del self._by_address[address]


def _declared_length(headers: list[tuple[bytes, bytes]]) -> int | None:
    """Return the length of the body in bytes; 0 without a body, None for a chunked one."""
    for name, value in headers:
        if name == b"content-length" and value.isdigit():
            return int(value)
        if name == b"transfer-encoding":
            return None
    return 0


class _BoundedBody:
    """A body with a deadline that starts at the first read. A slow client would occupy a task and a socket."""

    __slots__ = (
        "_ahead",
        "_budget",
        "_caller",
        "_counted",
        "_deadline",
        "_declared",
        "_has_started",
        "_is_whole",
        "_receive",
        "_received",
    )

    def __init__(self, receive: Receive, declared: int | None, budget: _BodyBudget, caller: Caller) -> None:
        self._receive = receive
        # In bytes; None for a chunked body.
        self._declared = declared
        self._has_started = False
        self._budget = budget
        self._caller = caller
        # The bytes that the budget counts.
        self._counted = 0
        # A message that `is_disconnected` has read before the application did.
        self._ahead: Message | None = None
        self._received = 0
        self._deadline: float | None = None
        self._is_whole = False

    async def receive(self) -> Message:
        """Raises HTTPException, because the framework replaces every other error of a body."""
        if self._ahead is not None:
            message, self._ahead = self._ahead, None
            return message
        if self._is_whole:
            # The body is complete: the next message is the disconnection, without a timeout.
            return await self._receive()
        if self._has_started:
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
        """Return a `send` that detects the start of the response. The rest of the body is then discarded."""

        async def watched_send(message: Message) -> None:
            self._has_started = True
            await send(message)

        return watched_send

    async def _receive_disconnect(self) -> Message:
        """Discard an unread body, such as that of a GET, without ending the response."""
        while self._received <= MAX_BODY_BYTES:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                return message
            self._received += len(message.get("body", b""))
        # The rest is not read.
        return await asyncio.Future[Message]()

    def close(self) -> None:
        """Return the bytes to the budget at the end of the request."""
        if self._counted:
            self._budget.remove(self._caller.address, self._counted)

    async def is_disconnected(self) -> bool:
        """Return whether the client has disconnected, without waiting or consuming the body."""
        if self._ahead is None and not self._is_whole:
            self._ahead = _poll(self.receive)
        # After the complete body, the only further message is the disconnection.
        message = _poll(self._receive) if self._is_whole else None
        return any(one is not None and one["type"] == "http.disconnect" for one in (self._ahead, message))


def _poll(receive: Receive) -> Message | None:
    """Return a message that has already arrived; None without one.

    A message is there if `receive` ends without a pause. To cancel it, as Starlette does, takes 0.1 ms.
    """
    steps = receive().__await__()
    try:
        next(steps)
    except StopIteration as end:
        message: Message = end.value
        return message
    steps.close()
    return None


class HeadMiddleware:
    """Supports HEAD on every GET route: the same headers, without a body."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return
        # Streaming endpoints read this flag, and then do not fetch the content.
        scope["state"]["is_head"] = True

        async def send_head(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        await self.app({**scope, "method": "GET"}, receive, send_head)
