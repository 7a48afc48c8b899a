"""K3: every state of a parser has a limit in bytes and one in time.

One endless sender for each state. The service closes the connection, and its memory grows by 8 MiB at most.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import psutil
import pytest
from python_multipart.multipart import MultipartState

from app.core.settings import Settings
from app.http.middleware import core_middleware
from app.serving import protocol
from tests.support.accounts import Account
from tests.support.raw_http import BOUNDARY_HEADERS, RawConnection, raw_connection
from tests.support.server import RunningService

pytestmark = pytest.mark.integration

CHUNK_BYTES = 64 * 1024
# Without a limit, the service would hold many times MAX_GROWTH.
SENT_BYTES = 48 * 1024 * 1024
MAX_GROWTH = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Sender:
    """The bytes that a client sends: `start` once, then `unit` without end."""

    start: bytes
    unit: bytes

    @property
    def piece(self) -> bytes:
        """The units of one piece."""
        return self.unit * max(1, CHUNK_BYTES // len(self.unit))


def head(method: str, path: str, fields: str) -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\n{fields}\r\n\r\n".encode()


CHUNKED = "Transfer-Encoding: chunked"
ENDLESS = "Content-Length: 1000000000000"
UNREAD = head("GET", "/healthz", CHUNKED)
FORM = "Content-Type: application/x-www-form-urlencoded"
READ = head("POST", "/v1/auth/token", f"{FORM}\r\n{CHUNKED}")
HTTP_STATES = {
    "empty line before the request line": Sender(b"", b"\r\n"),
    "method": Sender(b"", b"G"),
    "target": Sender(b"GET /", b"a"),
    "query": Sender(b"GET /?", b"a=b&"),
    "version": Sender(b"GET / HTTP/1.", b"1"),
    "field name": Sender(b"GET / HTTP/1.1\r\n", b"a"),
    "field value": Sender(b"GET / HTTP/1.1\r\nA: ", b"a"),
    "space before a field value": Sender(b"GET / HTTP/1.1\r\nA:", b" "),
    "header section": Sender(b"GET / HTTP/1.1\r\n", b"a:\r\n"),
    "content length": Sender(b"GET / HTTP/1.1\r\nContent-Length: ", b"0"),
    "body": Sender(head("POST", "/v1/users", f"Content-Type: application/json\r\n{ENDLESS}"), b" "),
    "form": Sender(head("POST", "/v1/auth/token", f"{FORM}\r\n{ENDLESS}"), b"&"),
    "chunk size": Sender(READ, b"0"),
    "chunk extension name": Sender(READ + b"1;", b"a"),
    "chunk extension value": Sender(READ + b"1;a=", b"a"),
    "quoted chunk extension value": Sender(READ + b'1;a="', b"a"),
    "chunk extensions": Sender(READ + b"1", b";a=b"),
    "chunks with extensions": Sender(READ, b"1;" + b"a" * 200 + b"\r\nb\r\n"),
    "trailer field name": Sender(READ + b"0\r\n", b"a"),
    "trailer field value": Sender(READ + b"0\r\nA: ", b"a"),
    "trailer section": Sender(READ + b"0\r\n", b"a:\r\n"),
    "trailer section of a request without content": Sender(UNREAD + b"0\r\n", b"a:\r\n"),
    "chunk size after the response": Sender(UNREAD, b"0"),
    "chunk extension after the response": Sender(UNREAD + b"1;", b"a"),
    "chunks after the response": Sender(UNREAD, b"1\r\na\r\n"),
    "content after the response": Sender(head("GET", "/healthz", ENDLESS), b"a"),
    "requests sent ahead": Sender(b"", head("GET", "/healthz", "A: b")),
    "declined upgrade": Sender(head("GET", "/healthz", "Connection: Upgrade\r\nUpgrade: h2c"), b"a"),
}


# By the state in which the sender keeps the multipart parser.
NAMED = b'--b\r\nContent-Disposition: form-data; name="tags"\r\n'
MULTIPART_STATES = {
    MultipartState.START: Sender(b"", b"\r\n"),
    MultipartState.START_BOUNDARY: Sender(b"--b", b" "),
    MultipartState.HEADER_FIELD_START: Sender(b"--b\r\n", b"A:\r\n"),
    MultipartState.HEADER_FIELD: Sender(b"--b\r\n", b"A"),
    MultipartState.HEADER_VALUE_START: Sender(b"--b\r\nA:", b" "),
    MultipartState.HEADER_VALUE: Sender(b"--b\r\nA: ", b"a"),
    MultipartState.HEADER_VALUE_ALMOST_DONE: Sender(b"--b\r\nA: a", b"\r"),
    MultipartState.HEADERS_ALMOST_DONE: Sender(NAMED, b"\r"),
    MultipartState.PART_DATA_START: Sender(b"", NAMED + b"\r\n"),
    MultipartState.PART_DATA: Sender(NAMED + b"\r\n", b"a"),
    MultipartState.PART_DATA_END: Sender(b"", NAMED + b"\r\na\r\n"),
    MultipartState.END_BOUNDARY: Sender(b"--b-", b"a"),
    MultipartState.END: Sender(b"--b--", b"a"),
    MultipartState.BOUNDARY_PADDING: Sender(NAMED + b"\r\na\r\n--b", b" "),
}
PREAMBLE = Sender(b"", b"text\r\n")


@contextlib.contextmanager
def bounded_memory() -> Iterator[None]:
    """Assert that the memory of this process, in which the service runs, has grown by the limit at most."""
    process = psutil.Process()
    before = process.memory_info().rss
    yield
    assert process.memory_info().rss - before < MAX_GROWTH


async def is_closed_before(connection: RawConnection, piece: bytes, limit: int) -> bool:
    """Repeat the piece up to the limit in bytes; return whether the service closed the connection before that."""
    with contextlib.suppress(ConnectionError):
        for _ in range(limit // len(piece)):
            async with asyncio.timeout(45):
                await connection.send(piece)
        return False
    return True


@pytest.fixture(autouse=True)
def _low_late_body_limit(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    monkeypatch.setattr(protocol, "MAX_LATE_BODY_BYTES", 1024 * 1024 - settings.max_upload_bytes)


@pytest.mark.parametrize("state", HTTP_STATES)
async def test_k03_an_endless_http_state_is_closed(running: RunningService, state: str) -> None:
    sender = HTTP_STATES[state]
    with bounded_memory():
        async with raw_connection(running.url) as connection:
            await connection.send(sender.start)
            assert await is_closed_before(connection, sender.piece, SENT_BYTES)


def test_k03_every_state_of_the_multipart_parser_has_a_sender() -> None:
    assert set(MULTIPART_STATES) == set(MultipartState)


@pytest.mark.parametrize(
    "sender", [*MULTIPART_STATES.values(), PREAMBLE], ids=[*(state.name for state in MULTIPART_STATES), "preamble"]
)
async def test_k03_an_endless_multipart_state_is_closed(service: RunningService, user: Account, sender: Sender) -> None:
    fields = {"Authorization": f"Bearer {user.access_token}", "Content-Length": str(2 * SENT_BYTES)}
    with bounded_memory():
        async with raw_connection(service.url) as connection:
            await connection.begin("POST", "/v1/images", BOUNDARY_HEADERS | fields)
            await connection.send(sender.start)
            assert await is_closed_before(connection, sender.piece, SENT_BYTES)


async def test_k03_a_stalled_http_state_is_closed(running: RunningService, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in (
        (protocol, "HEAD_SECONDS"),
        (protocol, "LATE_BODY_SECONDS"),
        (core_middleware, "BODY_SECONDS"),
    ):
        monkeypatch.setattr(module, name, 0.2)
    # uvicorn copies it into each connection.
    keep_alive = property(lambda _: 0.2, lambda _, __: None)
    monkeypatch.setattr(protocol.BoundedProtocol, "timeout_keep_alive", keep_alive, raising=False)

    async def is_closed(sender: Sender) -> bool:
        async with raw_connection(running.url) as connection:
            await connection.send(sender.start + sender.unit)
            with contextlib.suppress(TimeoutError, ConnectionError):
                async with asyncio.timeout(30):
                    while await connection.reader.read(65536):
                        pass
            return connection.reader.at_eof() or connection.reader.exception() is not None

    closed = await asyncio.gather(*(is_closed(sender) for sender in HTTP_STATES.values()))
    assert [state for state, done in zip(HTTP_STATES, closed, strict=True) if not done] == []
