"""uvicorn's HTTP protocol, with a bound on everything that a client may hold without asking for anything.

uvicorn itself waits without end for the rest of a head and for a client to read its answer, keeps a head of any length,
and queues without a limit what is sent before the request before is answered: one connection took 3 GB in ten seconds.
What is refused here is told as everywhere, in a problem document.
"""

import asyncio
import secrets
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from app.core.errors import AppError, BadRequest, RequestHeadTooLarge, RequestTimeout
from app.http.container import Services
from app.http.problems import error_response
from app.serving.request_head import normalize_head, parser_refusal
from app.serving.transport import GatheringTransport

# From its first byte, or from the connection's beginning, to the end of a head.
HEAD_SECONDS = 15.0
# For the body of a request that was answered before its end, a refused upload say. Closed at once, the connection is
# reset, and the client may lose the answer with it.
LEFTOVER_SECONDS = 60.0
# The same in bytes, in addition to MAX_UPLOAD_BYTES.
MAX_LEFTOVER_BYTES = 16 * 1024 * 1024
# While an answer waits to be read, so much of it has to be taken in each window, as slowly as an upload may come.
READING_SECONDS = 30.0
MIN_BYTES_PER_SECOND = 512
MAX_HEAD_BYTES = 64 * 1024
KEPT_HEAD_BYTES = 32
# Chunk extensions and trailers, which carry no data. Each chunk may have a size line, each byte of data some overhead:
# chunks of one byte are legitimate (the rule of Go's net/http, which allows 16 KiB).
MAX_FRAMING_BYTES = 64 * 1024
FRAMING_BYTES_OF_A_CHUNK = 16
FRAMING_BYTES_OF_A_DATA_BYTE = 2
# Sent ahead while the first of them is not answered yet.
MAX_PIPELINED = 32


class BoundedProtocol(HttpToolsProtocol):
    """One connection of a client."""

    # Runs while the client owes something that nothing else waits for.
    _patience: asyncio.TimerHandle | None = None
    # Whether a head has begun, and how many bytes have come since.
    _is_in_head = False
    _head_bytes = 0
    # The beginning of a head that arrives in several pieces.
    _head_start = b""
    # Bytes of the body that are neither data nor covered by the allowance for it.
    _framing_bytes = 0
    # Data of a body that came after the response.
    _leftover_bytes = 0
    # Runs while the client is behind with reading, and how many bytes it was behind.
    _watch: asyncio.TimerHandle | None = None
    _unread = 0
    # Why the connection is at its end.
    _refusal: AppError | None = None

    def connection_made(self, transport: Any) -> None:
        """Take the connection; its client is to ask for something soon."""
        super().connection_made(GatheringTransport(transport))  # type: ignore[arg-type]
        self._await_client(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of the connection."""
        self._stop_waiting()
        self._stop_watching()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, and see to it that the rest comes in time."""
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
            if self._is_in_head or self._patience is not None or self.cycle.response_complete:
                self._look_at_what_is_owed()

    def on_message_begin(self) -> None:
        """Begin a head, which may follow a request in the same piece."""
        self._is_in_head = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header field of the head; drop a trailer field.

        A trailer is never merged into the header section (RFC 9110, 6.5.1): it would act as `Authorization` or
        `X-Forwarded-For` when it arrives in one piece with the head.
        """
        if self._is_in_head:
            # The parser leaves trailing white space in the value (RFC 9112, 5.1, excludes it).
            super().on_header(name, value.strip(b" \t"))

    def on_chunk_header(self) -> None:
        """Allow the size line of a chunk."""
        self._framing_bytes -= FRAMING_BYTES_OF_A_CHUNK

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body, which is no framing."""
        self._framing_bytes -= len(body) * (1 + FRAMING_BYTES_OF_A_DATA_BYTE)
        if self.cycle.response_complete:
            self._leftover_bytes += len(body)
        super().on_body(body)

    def on_headers_complete(self) -> None:
        """Have the request answered, or raise what makes the parser stop."""
        if len(self.pipeline) >= MAX_PIPELINED:
            self._refusal = BadRequest(f"More than {MAX_PIPELINED} requests are sent ahead")
            raise self._refusal
        # What came in one piece with the head may be its body.
        rest = self._head_bytes - self._head_size() if self._head_bytes > MAX_HEAD_BYTES else 0
        if self._head_bytes - rest > MAX_HEAD_BYTES:
            self._refusal = RequestHeadTooLarge()
            raise self._refusal
        self._normalize_head()
        super().on_headers_complete()
        self._is_in_head = False
        self._head_start = b""
        self._head_bytes = self._leftover_bytes = 0
        self._framing_bytes = rest

    def pause_writing(self) -> None:
        """Have the answer wait for the client to read what it was sent."""
        super().pause_writing()
        self._watch_reading()

    def resume_writing(self) -> None:
        """Let the answer go on."""
        self._stop_watching()
        super().resume_writing()

    def _watch_reading(self) -> None:
        self._unread = self.transport.get_write_buffer_size()
        self._watch = self.loop.call_later(READING_SECONDS, self._look_at_reading)

    def _look_at_reading(self) -> None:
        if self._unread - self.transport.get_write_buffer_size() < READING_SECONDS * MIN_BYTES_PER_SECOND:
            self.transport.abort()
        else:
            self._watch_reading()

    def _stop_watching(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

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
        # The allowance of one piece is not saved up for the next.
        self._framing_bytes = max(0, self._framing_bytes)
        if self._framing_bytes > MAX_FRAMING_BYTES:
            detail = f"The chunk extensions and trailer fields are larger than {MAX_FRAMING_BYTES} bytes"
            self._refuse(RequestHeadTooLarge(detail))

    def _should_upgrade_to_ws(self) -> bool:
        return False

    def _head_size(self) -> int:
        # Each field has a colon, usually a space, and a line end.
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _decline_upgrade(self, rest: bytes) -> None:
        """Go on in HTTP/1.1, as RFC 9110 (7.8) allows; HTTP clients of Java ask for HTTP/2 in this way by default.

        A parser that has seen an upgrade takes the body for the other protocol's. Another one parses it, told of its
        length only; and the connection ends with the answer.
        """
        self.cycle.keep_alive = False
        self.cycle.more_body = True
        self.cycle.message_event.clear()
        framing = [header for header in self.headers if header[0] in (b"content-length", b"transfer-encoding")]
        head = b"".join((b"POST / HTTP/1.1\r\n", *(b"%b: %b\r\n" % header for header in framing), b"\r\n"))
        self.parser = httptools.HttpRequestParser(_Body(self))
        self.data_received(head + rest)

    def _look_at_what_is_owed(self) -> None:
        if self._is_in_head and self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(RequestHeadTooLarge())
        elif self._is_in_head:
            self._await_client(HEAD_SECONDS)
        elif self.cycle.response_complete and self._leftover_bytes > self._max_leftover_bytes():
            self.transport.close()
        elif self.cycle.response_complete:
            self._await_client(LEFTOVER_SECONDS)
        else:
            self._stop_waiting()

    def _max_leftover_bytes(self) -> int:
        # A refused upload is read to its end, so that its client gets the response.
        services: Services | None = self.app_state.get("services")
        return MAX_LEFTOVER_BYTES + (services.settings.max_upload_bytes if services else 0)

    def _await_client(self, seconds: float) -> None:
        if self._patience is None:
            self._patience = self.loop.call_later(seconds, self._lose_patience)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _lose_patience(self) -> None:
        self._patience = None
        if self._is_answering():
            # It may send the next head ahead as slowly as it takes the answer.
            self._await_client(HEAD_SECONDS)
        elif self._is_in_head:
            self._refuse(RequestTimeout(f"The head took longer than {HEAD_SECONDS:.0f} s"))
        else:
            self.transport.close()

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _refuse(self, error: AppError) -> None:
        """Answer with the error and close; but write nothing into an answer that is under way, nor before it."""
        self._refusal = error
        self._stop_waiting()
        if self.cycle is not None and self.cycle.response_complete and not self._is_in_head:
            # The request has its response; the client would take a second one for that of its next request.
            self.transport.close()
        elif not self._is_answering():
            self._write_and_close(error)
        elif not self.cycle.more_body:
            # The requests before are whole, and are answered.
            self.cycle.keep_alive = False
        elif self.cycle.response_started or self.pipeline:
            self.transport.close()
        else:
            self._write_and_close(error)

    def _write_and_close(self, error: AppError) -> None:
        if self.cycle is not None:
            # The application is not to write a second response before the connection is closed.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        request_id = secrets.token_hex(16)
        response = error_response(request_id, error)
        own = [(b"x-request-id", request_id.encode()), (b"x-content-type-options", b"nosniff")]
        headers = {**dict(self.server_state.default_headers), **dict(response.raw_headers), b"connection": b"close"}
        lines = [b"%b: %b\r\n" % header for header in (*headers.items(), *own)]
        self.transport.write(b"".join([STATUS_LINE[response.status_code], *lines, b"\r\n", bytes(response.body)]))
        self.transport.close()


class _Body:
    """Takes the body of a request whose head was parsed before, and nothing of what follows it."""

    def __init__(self, protocol: BoundedProtocol) -> None:
        self._protocol = protocol
        self._is_over = False

    def on_chunk_header(self) -> None:
        """Take the size line of a chunk."""
        self._protocol.on_chunk_header()

    def on_body(self, body: bytes) -> None:
        """Take a piece."""
        if not self._is_over:
            self._protocol.on_body(body)

    def on_message_complete(self) -> None:
        """End the request."""
        if not self._is_over:
            self._is_over = True
            self._protocol.on_message_complete()
