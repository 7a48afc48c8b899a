"""Limits of a connection in time and memory."""

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
def short_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set short timeouts for new connections."""
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.2)
    monkeypatch.setattr(protocol, "LATE_BODY_SECONDS", 0.2)


async def until_closed(connection: RawConnection) -> bytes:
    """Read until the service closes the connection."""
    async with asyncio.timeout(45):
        return await connection.reader.read(-1)


@pytest.mark.usefixtures("short_timeouts")
async def test_a_connection_without_a_request_is_closed(service: RunningService) -> None:
    async with raw_connection(service.url) as connection:
        assert await until_closed(connection) == b""


@pytest.mark.usefixtures("short_timeouts")
async def test_blank_lines_do_not_keep_a_connection_open(service: RunningService) -> None:
    async with raw_connection(service.url) as connection:
        await connection.send(GET)
        assert (await connection.read_response()).status == 200
        await connection.send(b"\r\n")
        assert b" 408 " in await until_closed(connection)


@pytest.mark.usefixtures("short_timeouts")
@pytest.mark.parametrize("before", [b"", GET], ids=["first", "after another"])
async def test_an_endless_head_gets_408(service: RunningService, before: bytes) -> None:
    async with raw_connection(service.url) as connection:
        await connection.send(before + b"GET /healthz HTTP/1.1\r\nHos")
        if before:
            assert (await connection.read_response()).status == 200
        response = await connection.read_response()
        assert response.json()["type"] == "/problems/request-timeout"
        assert response.headers["x-request-id"] == response.json()["request_id"]
        assert response.headers["connection"] == "close"
        assert await until_closed(connection) == b""


@pytest.mark.usefixtures("short_timeouts")
async def test_an_idle_connection_outlives_a_slow_head(service: RunningService) -> None:
    async with raw_connection(service.url) as idle, raw_connection(service.url) as slow:
        await idle.send(GET)
        assert (await idle.read_response()).status == 200
        await slow.send(b"G")
        await until_closed(slow)
        await idle.send(GET)
        assert (await idle.read_response()).status == 200


@pytest.mark.usefixtures("short_timeouts")
async def test_the_wait_for_the_body_of_a_refused_request_is_bounded(service: RunningService) -> None:
    async with raw_connection(service.url) as connection:
        await connection.begin("POST", "/v1/images", {"Content-Length": "1000"})
        assert (await connection.read_response()).status == 401
        await connection.send(b"a")
        assert await until_closed(connection) == b""


async def test_a_connection_stays_usable_after_a_refused_body(service: RunningService) -> None:
    async with raw_connection(service.url) as connection:
        await connection.begin("POST", "/v1/images", {"Content-Length": "1000"})
        assert (await connection.read_response()).status == 401
        await connection.send(bytes(1000) + GET)
        assert (await connection.read_response()).status == 200


@pytest.mark.parametrize("end", [b"", b"\r\n\r\n"], ids=["endless", "whole"])
async def test_a_head_over_the_limit_is_431(service: RunningService, end: bytes) -> None:
    async with raw_connection(service.url) as connection:
        await connection.send(b"GET /healthz HTTP/1.1\r\nX-A: " + b"a" * MAX_HEAD_BYTES + end)
        response = await connection.read_response()
        assert response.status == 431
        assert response.json()["type"] == "/problems/request-head-too-large"


async def test_a_body_in_one_piece_with_its_head_does_not_count_as_head(service: RunningService) -> None:
    body = b'{"email": "' + b"a" * MAX_HEAD_BYTES + b'"}'
    head = b"POST /v1/users HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(
        body
    )
    async with raw_connection(service.url) as connection:
        await connection.send(head + body + GET[:5])
        assert (await connection.read_response()).status == 422
        await connection.send(GET[5:])
        assert (await connection.read_response()).status == 200


async def test_invalid_http_gets_a_problem_document(service: RunningService) -> None:
    async with raw_connection(service.url) as connection:
        await connection.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n")
        response = await connection.read_response()
        assert response.status == 400
        assert response.headers["content-type"] == "application/problem+json"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.json()["type"] == "/problems/bad-request"
        assert response.headers["x-request-id"] == response.json()["request_id"]
        assert await until_closed(connection) == b""


async def test_invalid_http_does_not_corrupt_earlier_responses(service: RunningService) -> None:
    async with raw_connection(service.url) as connection:
        await connection.send(GET * 2 + b"nonsense\r\n\r\n")
        for _ in range(2):
            assert (await connection.read_response()).json() == {"status": "ok"}
        assert await until_closed(connection) == b""


async def test_pipelined_requests_are_limited(service: RunningService) -> None:
    async with raw_connection(service.url) as connection:
        await connection.send(GET * 5000)
        # The request in progress, and the queue behind it.
        for _ in range(MAX_PIPELINED + 1):
            assert (await connection.read_response()).status == 200
        assert await until_closed(connection) == b""


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_request_with_an_upgrade_keeps_its_body(
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
        response = await connection.read_response()
        assert response.status == 201
        assert [tag["name"] for tag in response.json()["items"]] == ["cat"]
        assert await until_closed(connection) == b""


async def test_the_next_request_is_not_the_body_of_a_declined_upgrade(client: httpx.AsyncClient) -> None:
    async with raw_connection(str(client.base_url)) as connection:
        await connection.begin("GET", "/healthz", UPGRADE)
        await connection.send(GET)
        assert (await connection.read_response()).json() == {"status": "ok"}
        assert await until_closed(connection) == b""


@pytest.mark.parametrize("path", ["/openapi.json", "{content}"], ids=["whole", "in pieces"])
async def test_a_client_that_does_not_read_is_disconnected(
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


async def test_a_slow_reader_gets_the_whole_response(
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
    """Connect with a small receive buffer."""
    target = urlsplit(url)
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect((target.hostname, target.port))
        yield sock


def is_connected(sock: socket.socket) -> bool:
    """Whether the service, which runs in this process, has its end open."""
    return any(one.raddr == sock.getsockname() for one in psutil.Process().net_connections("tcp"))


def digest_of_body(sock: socket.socket) -> str:
    """Read a response to its end, with pauses."""
    with sock.makefile("rb") as response:
        while response.readline() != b"\r\n":
            pass
        digest = hashlib.sha256()
        while piece := response.read(256 * 1024):
            digest.update(piece)
            time.sleep(0.02)
        return digest.hexdigest()
