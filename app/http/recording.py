"""The middleware that records every request, whatever becomes of it."""

import time
from collections.abc import Awaitable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.observability.request_counters import RequestCounters, current_counters
from app.telemetry.record import MAX_NAME, MAX_PATH, MAX_TRACEPARENT, MAX_USER_AGENT, UNMATCHED, RequestRecord
from app.telemetry.recorder import Recorder
from app.telemetry.redaction import MAX_QUERY_BYTES

CLIENT_CLOSED_REQUEST = 499  # nginx's number for "the client went away before an answer began"


class RecordingMiddleware:
    """Hands a record of each request to the recorder. Sits inside the request id, outside of everything else."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        recorder: Recorder = scope["state"]["services"].recorder
        # Made here, so that a middleware further in which copies the scope still shares where the route is noted.
        scope.setdefault("fastapi", {})
        exchange = _Exchange(receive, send)
        recorder.in_flight += 1
        token = current_counters.set(exchange)
        try:
            await self.app(scope, exchange.receive, exchange.send)
        finally:
            current_counters.reset(token)
            recorder.in_flight -= 1
            recorder.record(exchange.record(scope))


class _Exchange(RequestCounters):
    """Stands between the server and the application and notes what passes, beside what is tallied further in.

    Times are in nanoseconds, as integers: they are the cheapest.
    """

    __slots__ = (
        "_receive",
        "_send",
        "_started",
        "_time",
        "bytes_in",
        "bytes_out",
        "complete",
        "disconnected",
        "first_byte",
        "status",
    )

    def __init__(self, receive: Receive, send: Send) -> None:
        self.statements = self.cache_hits = self.cache_misses = self.bytes_in = self.bytes_out = self.status = 0
        self.statement_seconds = 0.0
        self.search_trace = []
        self._receive = receive
        self._send = send
        self.first_byte = 0
        self.complete = self.disconnected = False
        self._time = time.time_ns()
        self._started = time.perf_counter_ns()

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self.bytes_in += len(message.get("body", b""))
        # After the end of the answer the server says "disconnect" to everybody who still asks.
        elif not self.complete:
            self.disconnected = True
        return message

    def send(self, message: Message) -> Awaitable[None]:
        """Note what is sent. No coroutine of its own: one for each message would cost more than all it does."""
        if message["type"] == "http.response.start":
            # What is answered to a client that has gone is nobody's answer.
            self.status = CLIENT_CLOSED_REQUEST if self.disconnected else message["status"]
            self.first_byte = time.perf_counter_ns()
        elif message["type"] == "http.response.body":
            if message.get("more_body", False):
                return self._send_piece(message)
            self.bytes_out += len(message.get("body", b""))
            self.complete = True
        return self._send(message)

    async def _send_piece(self, message: Message) -> None:
        """Send a piece of a stream, in which a client may well go away: some servers say so by an OSError."""
        try:
            await self._send(message)
        except OSError:
            self.disconnected = True
            raise
        self.bytes_out += len(message.get("body", b""))

    def record(self, scope: Scope) -> RequestRecord:
        """Return what is known now, as it is: this code is cold each time, and every call is dear."""
        ended = time.perf_counter_ns()
        state, method, client = scope["state"], scope["method"], scope.get("client")
        user_agent = traceparent = b""
        for name, value in scope["headers"]:
            if name == b"user-agent":
                user_agent = value[: MAX_USER_AGENT + 1]
            elif name == b"traceparent":
                traceparent = value[:MAX_TRACEPARENT]
        # Not by its own constructor, which is a function in Python.
        return tuple.__new__(
            RequestRecord,
            (
                self._time,
                method,
                state.get("route_template") or route_template(scope),
                scope["path"][: MAX_PATH + 1],
                self.status or (CLIENT_CLOSED_REQUEST if self.disconnected else 500),
                ended - self._started,
                state["request_id"],
                scope["query_string"][: MAX_QUERY_BYTES + 1],
                self.first_byte and self.first_byte - self._started,
                self.bytes_in,
                0 if method == "HEAD" else self.bytes_out,
                state.get("user_id"),
                state.get("credential_id"),
                client and client[0][: MAX_NAME + 1],
                user_agent,
                traceparent,
                self.statements,
                self.statement_seconds,
                self.cache_hits,
                self.cache_misses,
                None if self.disconnected else state.get("error_slug"),
                self.disconnected,
                self.status != 0 and not self.complete,
                self.search_trace,
            ),
        )


def route_template(scope: Scope) -> str:
    """Return the full path template of the route that answered, `unmatched` if there was none."""
    template: str | None = scope["state"].get("route_template")
    if template:
        return template  # answered in front of the router
    # FastAPI's own `scope["route"].path` lacks the routers' prefixes; where the full one stands is internal to it.
    context = scope.get("fastapi", {}).get("effective_route_context")
    path = getattr(context, "path", None) or getattr(scope.get("route"), "path", None)
    return str(path) if path else _plain_route(scope)


def _plain_route(scope: Scope) -> str:
    """Return the template of a mount, or the path of a route without parameters, such as that of the schema."""
    if "endpoint" not in scope:
        return UNMATCHED
    if "app_root_path" in scope:
        return f"{scope['root_path']}/{{path}}"
    return UNMATCHED if scope.get("path_params") else str(scope["path"])
