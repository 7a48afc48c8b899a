"""What one connection may hold, and for how long."""

import asyncio
import hashlib
import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from app.serving import protocol
from app.serving.protocol import MAX_HEAD_BYTES, MAX_PIPELINED
from app.storage import download
from app.storage.chunks import PART_BYTES
from tests.images.files import noise_png
from tests.support.accounts import Account
from tests.support.raw_http import RawConnection, raw_connection
from tests.support.server import RunningService

UPGRADE = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABk"}
GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have connections that begin from now on be given no time to speak of."""
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.2)
    monkeypatch.setattr(protocol, "LEFTOVER_SECONDS", 0.2)


async def until_closed(connection: RawConnection) -> bytes:
    """Return what comes until the service closes the connection."""
    async with asyncio.timeout(45):
        return await connection.reader.read(-1)


@pytest.mark.usefixtures("hurried")
async def test_a_connection_without_a_request_is_closed(service: RunningService) -> None:
    async with raw_connection(service.url) as connection:
        assert await until_closed(connection) == b""


@pytest.mark.usefixtures("hurried")
async def test_blank_lines_keep_no_connection_open(service: RunningService) -> None:
    async with raw_connection(service.url) as connection:
        await connection.send(GET)
        assert (await connection.answer()).status == 200
        await connection.send(b"\r\n")
        assert b" 408 " in await until_closed(connection)


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("before", [b"", GET], ids=["first", "after another"])
async def test_a_head_that_does_not_end_is_answered_408(service: RunningService, before: bytes) -> None:
    async with raw_connection(service.url) as connection:
        await connection.send(before + b"GET /healthz HTTP/1.1\r\nHos")
        if before:
            assert (await connection.answer()).status == 200
        answer = await connection.answer()
        assert answer.json()["type"] == "/problems/request-timeout"
        assert answer.headers["x-request-id"] == answer.json()["request_id"]
        assert answer.headers["connection"] == "close"
        assert await until_closed(connection) == b""


@pytest.mark.usefixtures("hurried")
async def test_an_idle_connection_outlasts_a_slow_head(service: RunningService) -> None:
    async with raw_connection(service.url) as idle, raw_connection(service.url) as slow:
        await idle.send(GET)
        assert (await idle.answer()).status == 200
        await slow.send(b"G")
        await until_closed(slow)
        await idle.send(GET)
        assert (await idle.answer()).status == 200


@pytest.mark.usefixtures("hurried")
async def test_the_body_of_an_answered_request_is_not_awaited_for_ever(service: RunningService) -> None:
    async with raw_connection(service.url) as connection:
        await connection.begin("POST", "/v1/images", {"Content-Length": "1000"})
        assert (await connection.answer()).status == 401
        await connection.send(b"a")
        assert await until_closed(connection) == b""


async def test_after_the_rest_of_a_refused_body_the_connection_serves_on(service: RunningService) -> None:
    async with raw_connection(service.url) as connection:
        await connection.begin("POST", "/v1/images", {"Content-Length": "1000"})
        assert (await connection.answer()).status == 401
        await connection.send(bytes(1000) + GET)
        assert (await connection.answer()).status == 200


@pytest.mark.parametrize("end", [b"", b"\r\n\r\n"], ids=["endless", "whole"])
async def test_a_head_over_the_bound_is_431(service: RunningService, end: bytes) -> None:
    async with raw_connection(service.url) as connection:
        await connection.send(b"GET /healthz HTTP/1.1\r\nX-A: " + b"a" * MAX_HEAD_BYTES + end)
        answer = await connection.answer()
        assert answer.status == 431
        assert answer.json()["type"] == "/problems/request-head-too-large"


async def test_a_body_that_comes_with_its_head_is_not_taken_for_one(service: RunningService) -> None:
    body = b'{"email": "' + b"a" * MAX_HEAD_BYTES + b'"}'
    head = b"POST /v1/users HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(
        body
    )
    async with raw_connection(service.url) as connection:
        await connection.send(head + body + GET[:5])
        assert (await connection.answer()).status == 422
        await connection.send(GET[5:])
        assert (await connection.answer()).status == 200


async def test_what_is_no_http_is_a_problem_document(service: RunningService) -> None:
    async with raw_connection(service.url) as connection:
        await connection.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n")
        answer = await connection.answer()
        assert answer.status == 400
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.json()["type"] == "/problems/bad-request"
        assert answer.headers["x-request-id"] == answer.json()["request_id"]
        assert await until_closed(connection) == b""


async def test_nothing_is_written_into_the_answer_before_what_is_no_http(service: RunningService) -> None:
    async with raw_connection(service.url) as connection:
        await connection.send(GET * 2 + b"nonsense\r\n\r\n")
        for _ in range(2):
            assert (await connection.answer()).json() == {"status": "ok"}
        assert await until_closed(connection) == b""


async def test_requests_sent_ahead_are_bounded(service: RunningService) -> None:
    async with raw_connection(service.url) as connection:
        await connection.send(GET * 5000)
        # The one that is answered, and those that wait behind it.
        for _ in range(MAX_PIPELINED + 1):
            assert (await connection.answer()).status == 200
        assert await until_closed(connection) == b""


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_request_that_asks_for_another_protocol_keeps_its_body(
    service: RunningService, user: Account, *, chunked: bool
) -> None:
    body = json.dumps({"names": ["cat"]}).encode()
    framing = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(len(body))}
    headers = {**UPGRADE, **framing, "Authorization": f"Bearer {user.access_token}", "Content-Type": "application/json"}
    async with raw_connection(service.url) as connection:
        await connection.begin("POST", "/v1/tags", headers)
        for piece in (body[:5], body[5:]):
            await connection.send(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        await connection.send(b"0\r\n\r\n" if chunked else b"")
        answer = await connection.answer()
        assert answer.status == 201
        assert [tag["name"] for tag in answer.json()["items"]] == ["cat"]
        assert await until_closed(connection) == b""


async def test_what_follows_a_declined_upgrade_is_not_its_body(client: httpx.AsyncClient) -> None:
    async with raw_connection(str(client.base_url)) as connection:
        await connection.begin("GET", "/healthz", UPGRADE)
        await connection.send(GET)
        assert (await connection.answer()).json() == {"status": "ok"}
        assert await until_closed(connection) == b""


@pytest.mark.parametrize("path", ["/openapi.json", "{content}"], ids=["whole", "in pieces"])
async def test_a_client_that_does_not_read_is_cut_off(
    service: RunningService, user: Account, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(protocol, "READ_WINDOW_SECONDS", 0.2)
    made = await user.client.post("/v1/images", files={"image": ("big.png", noise_png(3 * PART_BYTES))}, timeout=60)
    path = path.format(**made.json()["links"])
    with tight_socket(service.url) as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode() * MAX_PIPELINED)
        async with asyncio.timeout(45):
            while is_connected(sock):
                await asyncio.sleep(0.05)


async def test_a_client_that_reads_slowly_gets_everything(
    service: RunningService, user: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "KEPT_SECONDS", 0.01)
    photo = noise_png(2 * PART_BYTES)
    made = await user.client.post("/v1/images", files={"image": ("big.png", photo)}, timeout=60)
    with tight_socket(service.url) as sock:
        sock.sendall(f"GET {made.json()['links']['content']} HTTP/1.0\r\n\r\n".encode())
        digest = await asyncio.to_thread(digest_of_body, sock)
    assert digest == hashlib.sha256(photo).hexdigest()


@contextmanager
def tight_socket(url: str) -> Iterator[socket.socket]:
    """Connect with room for next to nothing that is not read."""
    target = urlsplit(url)
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect((target.hostname, target.port))
        yield sock


def is_connected(sock: socket.socket) -> bool:
    """Tell whether the service, which runs in this process, has the other end still open."""
    return any(one.raddr == sock.getsockname() for one in psutil.Process().net_connections("tcp"))


def digest_of_body(sock: socket.socket) -> str:
    """Read an answer to its end, with a pause now and then."""
    with sock.makefile("rb") as answer:
        while answer.readline() != b"\r\n":
            pass
        digest = hashlib.sha256()
        while piece := answer.read(256 * 1024):
            digest.update(piece)
            time.sleep(0.02)
        return digest.hexdigest()
