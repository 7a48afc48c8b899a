"""The middleware that records every request, including failed and aborted ones."""

import time
from collections.abc import Awaitable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.observability.client_spans import ClientSpans
from app.core.observability.request_counters import RequestCounters, current_counters
from app.telemetry.recording.recorder import Recorder
from app.telemetry.redaction import MAX_QUERY_BYTES
from app.telemetry.request_record import MAX_NAME, MAX_PATH, MAX_TRACEPARENT, MAX_USER_AGENT, UNMATCHED, RequestRecord

CLIENT_CLOSED_REQUEST = 499  # nginx's status of a client that disconnects before the response


class RecordingMiddleware:
    """Passes a record of each request to the recorder. Only the client address and the request id precede it."""

    def __init__(self, app: ASGIApp, client_spans: ClientSpans | None = None) -> None:
        self.app = app
        self._client_spans = client_spans

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        recorder: Recorder = scope["state"]["container"].recorder
        # Created here: an inner middleware that copies the scope still shares it, and the router notes the route in it.
        scope.setdefault("fastapi", {})
        exchange = _RequestRecording(receive, send, self._client_spans)
        recorder.in_flight += 1
        token = current_counters.set(exchange)
        try:
            await self.app(scope, exchange.receive, exchange.send)
        finally:
            current_counters.reset(token)
            recorder.in_flight -= 1
            recorder.record(exchange.record(scope))


class _RequestRecording(RequestCounters):
    """Measures the messages between server and application; the layers below add to the inherited counters.

    Times are integers in nanoseconds, which are the cheapest.
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

    def __init__(self, receive: Receive, send: Send, client_spans: ClientSpans | None) -> None:
        self.client_spans = client_spans
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
        # After the end of the response the server sends "disconnect" to each further call.
        elif not self.complete:
            self.disconnected = True
        return message

    def send(self, message: Message) -> Awaitable[None]:
        """Measure a message and send it. Not a coroutine: creating one would cost more than the rest of the method."""
        if message["type"] == "http.response.start":
            # A client that has disconnected does not receive this status.
            self.status = CLIENT_CLOSED_REQUEST if self.disconnected else message["status"]
            self.first_byte = time.perf_counter_ns()
        elif message["type"] == "http.response.body":
            if message.get("more_body", False):
                return self._send_chunk(message)
            self.bytes_out += len(message.get("body", b""))
            self.complete = True
        return self._send(message)

    async def _send_chunk(self, message: Message) -> None:
        """Send a chunk of a stream. Some servers raise OSError when the client has disconnected."""
        try:
            await self._send(message)
        except OSError:
            self.disconnected = True
            raise
        self.bytes_out += len(message.get("body", b""))

    def record(self, scope: Scope) -> RequestRecord:
        """Return the record of the request, which has ended."""
        ended = time.perf_counter_ns()
        state, method, client = scope["state"], scope["method"], scope.get("client")
        user_agent = traceparent = b""
        for name, value in scope["headers"]:
            if name == b"user-agent":
                user_agent = value[: MAX_USER_AGENT + 1]
            elif name == b"traceparent":
                traceparent = value[:MAX_TRACEPARENT]
        return RequestRecord(
            time=self._time,
            method=method,
            route=state.get("route_template") or route_template(scope),
            path=scope["path"][: MAX_PATH + 1],
            status=self.status or (CLIENT_CLOSED_REQUEST if self.disconnected else 500),
            duration=ended - self._started,
            request_id=state["request_id"],
            query=scope["query_string"][: MAX_QUERY_BYTES + 1],
            first_byte=self.first_byte and self.first_byte - self._started,
            bytes_in=self.bytes_in,
            bytes_out=0 if method == "HEAD" else self.bytes_out,
            user_id=state.get("user_id"),
            credential_id=state.get("credential_id"),
            client=client and client[0][: MAX_NAME + 1],
            user_agent=user_agent,
            traceparent=traceparent,
            statements=self.statements,
            statement_seconds=self.statement_seconds,
            cache_hits=self.cache_hits,
            cache_misses=self.cache_misses,
            error_slug=None if self.disconnected else state.get("error_slug"),
            client_disconnected=self.disconnected,
            aborted=self.status != 0 and not self.complete,
            search_trace=self.search_trace,
        )


def route_template(scope: Scope) -> str:
    """Return the full path template of the route that responded; `unmatched` without a route."""
    template: str | None = scope["state"].get("route_template")
    if template:
        return template  # a cached response, which is served before the router
    # FastAPI's own `scope["route"].path` lacks the prefixes of the routers; the full path is in an internal object.
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
