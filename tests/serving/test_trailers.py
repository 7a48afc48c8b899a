"""Trailer fields and chunk extensions: bounded, and never merged into the header section."""

import asyncio

import httpx
import pytest

from app.core.settings import Settings
from app.serving.protocol import MAX_FRAMING_BYTES
from tests.support.accounts import Account
from tests.support.photos import png
from tests.support.raw_http import RawConnection, raw_connection
from tests.support.server import RunningService, running_service

CHUNKED = {"Transfer-Encoding": "chunked"}
FIELDS = ("Authorization", "If-Match", "X-Forwarded-For")


async def status_of(connection: RawConnection, method: str, path: str, trailer: str, body: bytes = b"") -> int:
    """Send a chunked request with this trailer in one packet, and return the status of its response."""
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
    await connection.send(head.encode() + chunk + b"0\r\n" + trailer.encode() + b"\r\n\r\n")
    return (await connection.read_response()).status


async def sent_until_closed(connection: RawConnection, piece: bytes, limit: int) -> int:
    """Send the piece repeatedly. Returns the number of bytes sent until the service closed the connection."""
    sent = 0
    try:
        while sent < limit:
            await connection.send(piece)
            sent += len(piece)
    except ConnectionError:
        return sent
    return sent


@pytest.mark.parametrize("field", [b"a:\r\n", b"a" * 64 + b":" + b"b" * 1000 + b"\r\n"], ids=["empty", "long"])
async def test_f02_endless_trailers_close_the_connection(service: RunningService, field: bytes) -> None:
    limit = 60 * 1024 * 1024
    async with raw_connection(service.url) as connection:
        await connection.begin("GET", "/healthz", CHUNKED)
        await connection.send(b"0\r\n")
        piece = field * (64 * 1024 // len(field))
        # The rest is in the buffers of both sockets.
        assert await sent_until_closed(connection, piece, limit) < limit // 4


async def test_f02_trailers_over_the_limit_are_431(service: RunningService) -> None:
    async with raw_connection(service.url) as connection:
        await connection.begin("POST", "/v1/users", {**CHUNKED, "Content-Type": "application/json"})
        await connection.send(b"0\r\n" + b"a:\r\n" * (2 * MAX_FRAMING_BYTES // 4))
        response = await connection.read_response()
        assert response.status == 431
        assert response.headers["connection"] == "close"
        assert response.json()["type"] == "/problems/request-head-too-large"


async def test_f02_chunks_of_one_byte_are_accepted(service: RunningService, user: Account) -> None:
    body = b'{"names": ["cat"]}' + b" " * 100_000
    headers = {**CHUNKED, "Content-Type": "application/json", "Authorization": f"Bearer {user.access_token}"}
    async with raw_connection(service.url) as connection:
        await connection.begin("POST", "/v1/tags", headers)
        await connection.send(b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\nDigest: a\r\n\r\n")
        assert (await connection.read_response()).status == 201


async def test_f02_a_connection_stays_usable_after_trailers(service: RunningService) -> None:
    async with raw_connection(service.url) as connection:
        for _ in range(3):
            assert await status_of(connection, "GET", "/healthz", "a: b\r\nc: d") == 200


async def test_f03_authorization_in_a_trailer_is_ignored(service: RunningService, user: Account) -> None:
    token = f"Authorization: Bearer {user.access_token}"
    async with raw_connection(service.url) as connection:
        assert await status_of(connection, "GET", "/v1/users/me", token) == 401
        assert await status_of(connection, "POST", "/v1/tags", token, b'{"names": ["cat"]}') == 401


async def test_f03_a_condition_in_a_trailer_is_ignored(service: RunningService, user: Account) -> None:
    made = (await user.client.post("/v1/images", files={"image": ("a.png", png())})).json()
    async with raw_connection(service.url) as connection:
        assert await status_of(connection, "GET", made["links"]["self"], "If-None-Match: *") == 200
        assert await status_of(connection, "GET", made["links"]["content"], "Range: bytes=0-0") == 200


async def test_f03_an_address_in_a_trailer_is_ignored(settings: Settings, sql: object) -> None:
    del sql
    behind_proxy = settings.model_copy(update={"trusted_proxies": ["127.0.0.1"]})
    async with running_service(behind_proxy) as service, raw_connection(service.url) as connection:
        body = b'{"email": "a@example.com", "password": "correct horse battery staple"}'
        assert await status_of(connection, "POST", "/v1/users", "X-Forwarded-For: 203.0.113.9", body) == 201
        form = {"grant_type": "password", "username": "a@example.com", "password": "correct horse battery staple"}
        async with httpx.AsyncClient(base_url=service.url) as client:
            content = httpx.Request("POST", service.url, data=form).content
            head = "POST /v1/auth/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            chunk = b"%x\r\n%b\r\n0\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n" % (len(content), content)
            await connection.send(head.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + chunk)
            token = (await connection.read_response()).json()["access_token"]
            client.headers["Authorization"] = f"Bearer {token}"
            sessions = (await client.get("/v1/users/me/sessions")).json()["items"]
            assert [session["address"] for session in sessions] == ["127.0.0.1"]


async def test_f03_a_trailer_in_a_later_packet_is_ignored(service: RunningService, user: Account) -> None:
    async with raw_connection(service.url) as connection:
        await connection.begin("POST", "/v1/tags", {**CHUNKED, "Content-Type": "application/json"})
        await connection.send(b"0\r\n")
        await asyncio.sleep(0)
        await connection.send(f"Authorization: Bearer {user.access_token}\r\n\r\n".encode())
        assert (await connection.read_response()).status == 401
