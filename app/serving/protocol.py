"""uvicorn's HTTP protocol with limits on the time and the memory that a connection can take.

uvicorn waits forever for the rest of a head and for a client that does not read. It accepts heads of any length and
queues pipelined requests without a limit: one connection took 3 GB in ten seconds. Refusals are problem documents.
"""

import asyncio
import secrets
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from app.core.errors import AppError, BadRequest, RequestHeadTooLarge, RequestTimeout
from app.http.container import Container
from app.http.problems import error_response
from app.serving.buffered_transport import BufferedTransport
from app.serving.request_head import normalize_head, parser_refusal

# From the connection, or from a head's first byte, to the end of the head.
HEAD_SECONDS = 15.0
# For the rest of a body after its response, e.g. of a refused upload. If the connection were closed at once, it would
# be reset, and the client could lose the response.
LATE_BODY_SECONDS = 60.0
# The limit for that rest, in addition to MAX_UPLOAD_BYTES.
MAX_LATE_BODY_BYTES = 16 * 1024 * 1024
# A client must read a response at this minimum rate in each window. It is the minimum rate of an upload, too.
READ_WINDOW_SECONDS = 30.0
MIN_BYTES_PER_SECOND = 512
MAX_HEAD_BYTES = 64 * 1024
KEPT_HEAD_BYTES = 32
# Chunk extensions and trailers. In addition, each chunk may have a size line and each byte of data some overhead,
# because chunks of one byte are legitimate. The rule is that of Go's net/http, which allows 16 KiB.
MAX_FRAMING_BYTES = 64 * 1024
FRAMING_BYTES_OF_A_CHUNK = 16
FRAMING_BYTES_OF_A_DATA_BYTE = 2
# Requests that a client may send before the first of them has its response.
MAX_PIPELINED = 32


class BoundedProtocol(HttpToolsProtocol):
    """One connection of a client.

    Of uvicorn: `cycle` is the request received last, and `pipeline` has those that wait for an earlier response.
    """

    # Runs while the client must send something and no task waits for it.
    _timeout_handle: asyncio.TimerHandle | None = None
    # Whether a head has begun, and the bytes received since.
    _is_in_head = False
    _head_bytes = 0
    # The beginning of a head that arrives in several chunks.
    _head_start = b""
    # Bytes of the body beyond its data and the allowed overhead.
    _framing_bytes = 0
    # Data of a body that arrived after the response.
    _late_body_bytes = 0
    # Runs while the response waits for the client to read, and the unread bytes at the window's start.
    _read_timer: asyncio.TimerHandle | None = None
    _unread = 0
    # Why the connection is being closed.
    _refusal: AppError | None = None

    def connection_made(self, transport: Any) -> None:
        """Expect a request within HEAD_SECONDS."""
        super().connection_made(BufferedTransport(transport))  # type: ignore[arg-type]
        self._start_timeout(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_timeout()
        self._stop_read_window()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse the data and arm the timeout for the rest."""
        if self._refusal is not None:
            return
        self._unset_keepalive_if_required()
        if self.cycle is None or not self.cycle.more_body:
            self._is_in_head = True
        if self._is_in_head:
            self._head_bytes += len(data)
        else:
            self._framing_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._decline_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            self._refuse(self._refusal or parser_refusal(error, self._head_start + data))
        else:
            self._check_framing()
            if self._is_in_head and len(self._head_start) < KEPT_HEAD_BYTES:
                self._head_start += data[:KEPT_HEAD_BYTES]
            if self._is_in_head or self._timeout_handle is not None or self.cycle.response_complete:
                self._rearm_timeouts()

    def on_message_begin(self) -> None:
        """Begin a head, which may arrive in the same chunk as the request before it."""
        self._is_in_head = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header field of the head; drop a trailer field.

        A trailer is never merged into the header section (RFC 9110, 6.5.1): it would act as `Authorization` or
        `X-Forwarded-For` when it arrives in one chunk with the head.
        """
        if self._is_in_head:
            # The parser leaves trailing white space in the value (RFC 9112, 5.1, excludes it).
            super().on_header(name, value.strip(b" \t"))

    def on_chunk_header(self) -> None:
        """Allow the size line of a chunk."""
        self._framing_bytes -= FRAMING_BYTES_OF_A_CHUNK

    def on_body(self, body: bytes) -> None:
        """Count a chunk of the body as data."""
        self._framing_bytes -= len(body) * (1 + FRAMING_BYTES_OF_A_DATA_BYTE)
        if self.cycle.response_complete:
            self._late_body_bytes += len(body)
        super().on_body(body)

    def on_headers_complete(self) -> None:
        """Start the request, or stop the parser by an exception."""
        if len(self.pipeline) >= MAX_PIPELINED:
            self._refusal = BadRequest(f"More than {MAX_PIPELINED} requests are sent ahead")
            raise self._refusal
        # The chunk that ends the head may contain part of the body.
        rest = self._head_bytes - self._head_size() if self._head_bytes > MAX_HEAD_BYTES else 0
        if self._head_bytes - rest > MAX_HEAD_BYTES:
            self._refusal = RequestHeadTooLarge()
            raise self._refusal
        self._normalize_head()
        super().on_headers_complete()
        if self.parser.get_http_version() == "1.1":
            extensions: dict[str, Any] = {"interim_response": self._send_interim}
            self.scope["extensions"] = extensions
        self._is_in_head = False
        self._head_start = b""
        self._head_bytes = self._late_body_bytes = 0
        self._framing_bytes = rest

    def _send_interim(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Send an interim response (RFC 9110, 15.2), before the response of the request in progress."""
        if self._is_responding() and not self.cycle.response_started and not self.transport.is_closing():
            lines = [b"%b: %b\r\n" % header for header in headers]
            self.transport.write(b"".join([b"HTTP/1.1 %d \r\n" % status, *lines, b"\r\n"]))

    def pause_writing(self) -> None:
        """Pause the response until the client has read, and watch its rate."""
        super().pause_writing()
        self._start_read_window()

    def resume_writing(self) -> None:
        """Resume the response."""
        self._stop_read_window()
        super().resume_writing()

    def _start_read_window(self) -> None:
        self._unread = self.transport.get_write_buffer_size()
        self._read_timer = self.loop.call_later(READ_WINDOW_SECONDS, self._check_read_rate)

    def _check_read_rate(self) -> None:
        if self._unread - self.transport.get_write_buffer_size() < READ_WINDOW_SECONDS * MIN_BYTES_PER_SECOND:
            self.transport.abort()
        else:
            self._start_read_window()

    def _stop_read_window(self) -> None:
        if self._read_timer is not None:
            self._read_timer.cancel()
            self._read_timer = None

    def _normalize_head(self) -> None:
        version = self.parser.get_http_version()
        try:
            self.url = normalize_head(self.parser.get_method(), version, self.url, self.headers)
        except AppError as error:
            self._refusal = error
            raise
        # An HTTP/1.0 client does not know interim responses (RFC 9110, 10.1.1).
        self.expect_100_continue = self.expect_100_continue and version == "1.1"

    def _check_framing(self) -> None:
        # Unused allowance does not accumulate.
        self._framing_bytes = max(0, self._framing_bytes)
        if self._framing_bytes > MAX_FRAMING_BYTES:
            detail = f"The chunk extensions and trailer fields are larger than {MAX_FRAMING_BYTES} bytes"
            self._refuse(RequestHeadTooLarge(detail))

    def _should_upgrade_to_ws(self) -> bool:
        return False

    def _head_size(self) -> int:
        # Each field has a colon, usually a space, and CRLF.
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _decline_upgrade(self, rest: bytes) -> None:
        """Continue in HTTP/1.1, as RFC 9110 (7.8) allows. HTTP clients of Java offer HTTP/2 in this way by default.

        After an upgrade, the parser treats the body as data of the other protocol. A second parser, which gets only the
        framing fields, parses the body. The response closes the connection.
        """
        self.cycle.keep_alive = False
        self.cycle.more_body = True
        self.cycle.message_event.clear()
        framing = [header for header in self.headers if header[0] in (b"content-length", b"transfer-encoding")]
        head = b"".join((b"POST / HTTP/1.1\r\n", *(b"%b: %b\r\n" % header for header in framing), b"\r\n"))
        self.parser = httptools.HttpRequestParser(_Body(self))
        self.data_received(head + rest)

    def _rearm_timeouts(self) -> None:
        if self._is_in_head and self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(RequestHeadTooLarge())
        elif self._is_in_head:
            self._start_timeout(HEAD_SECONDS)
        elif self.cycle.response_complete and self._late_body_bytes > self._max_late_body_bytes():
            self.transport.close()
        elif self.cycle.response_complete:
            self._start_timeout(LATE_BODY_SECONDS)
        else:
            self._cancel_timeout()

    def _max_late_body_bytes(self) -> int:
        # A refused upload is read to its end, so that its client gets the response.
        container: Container | None = self.app_state.get("container")
        return MAX_LATE_BODY_BYTES + (container.settings.max_upload_bytes if container else 0)

    def _start_timeout(self, seconds: float) -> None:
        if self._timeout_handle is None:
            self._timeout_handle = self.loop.call_later(seconds, self._on_timeout)

    def _cancel_timeout(self) -> None:
        if self._timeout_handle is not None:
            self._timeout_handle.cancel()
            self._timeout_handle = None

    def _on_timeout(self) -> None:
        self._timeout_handle = None
        if self._is_responding():
            # A client may pipeline the next head as slowly as it reads the response.
            self._start_timeout(HEAD_SECONDS)
        elif self._is_in_head:
            self._refuse(RequestTimeout(f"The head took longer than {HEAD_SECONDS:.0f} s"))
        else:
            self.transport.close()

    def _is_responding(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _refuse(self, error: AppError) -> None:
        """Respond with the error and close. Never write into a response in progress, nor before one."""
        self._refusal = error
        self._cancel_timeout()
        if self.cycle is not None and self.cycle.response_complete and not self._is_in_head:
            # The request has its response. The client would take a second one as that of its next request.
            self.transport.close()
        elif not self._is_responding():
            self._write_and_close(error)
        elif not self.cycle.more_body:
            # The earlier requests are complete and get their responses.
            self.cycle.keep_alive = False
        elif self.cycle.response_started or self.pipeline:
            self.transport.close()
        else:
            self._write_and_close(error)

    def _write_and_close(self, error: AppError) -> None:
        if self.cycle is not None:
            # The application must not write a second response before the connection is closed.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        request_id = secrets.token_hex(16)
        container: Container | None = self.app_state.get("container")
        response = error_response(request_id, container.settings.path_prefix if container else "", error)
        own = [(b"x-request-id", request_id.encode()), (b"x-content-type-options", b"nosniff")]
        headers = {**dict(self.server_state.default_headers), **dict(response.raw_headers), b"connection": b"close"}
        lines = [b"%b: %b\r\n" % header for header in (*headers.items(), *own)]
        self.transport.write(b"".join([STATUS_LINE[response.status_code], *lines, b"\r\n", bytes(response.body)]))
        self.transport.close()


class _Body:
    """Receives the body of a request whose head was parsed before. Ignores everything after it."""

    def __init__(self, protocol: BoundedProtocol) -> None:
        self._protocol = protocol
        self._is_over = False

    def on_chunk_header(self) -> None:
        self._protocol.on_chunk_header()

    def on_body(self, body: bytes) -> None:
        if not self._is_over:
            self._protocol.on_body(body)

    def on_message_complete(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._protocol.on_message_complete()
