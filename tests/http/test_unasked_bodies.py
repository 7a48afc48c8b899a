"""Bodies that the service refuses before it reads them, or that no operation asks for."""

import asyncio
import logging

import pytest

from app.http.middleware.core_middleware import MAX_BODY_BYTES
from app.storage.chunks import PART_BYTES
from tests.images.files import noise_png
from tests.support.accounts import Account
from tests.support.raw_http import BOUNDARY_HEADERS, raw_connection
from tests.support.server import RunningService

pytestmark = pytest.mark.integration

JSON = {"Content-Type": "application/json"}
TOO_LONG = str(100 * 1024 * 1024 * 1024)


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/v1/users", JSON),
        ("/v1/auth/token", {"Content-Type": "application/x-www-form-urlencoded"}),
        ("/ops/login", {"Content-Type": "application/x-www-form-urlencoded"}),
        ("/v1/images", BOUNDARY_HEADERS),
        ("/v1/tags", JSON),
    ],
)
async def test_k04_a_declared_length_over_the_limit_is_refused_unread(
    service: RunningService, user: Account, path: str, fields: dict[str, str]
) -> None:
    fields = fields | {"Authorization": f"Bearer {user.access_token}", "Expect": "100-continue", "Origin": service.url}
    async with raw_connection(service.url) as connection:
        await connection.begin("POST", path, fields | {"Content-Length": TOO_LONG})
        # No interim response invites the client to send it.
        assert (await connection.read_response()).status == 413


@pytest.mark.parametrize("framing", ["Content-Length: 100000000", "Transfer-Encoding: chunked"])
async def test_k04_a_body_does_not_harm_a_read(
    service: RunningService, user: Account, caplog: pytest.LogCaptureFixture, framing: str
) -> None:
    photo = noise_png(2 * PART_BYTES)
    made = await user.client.post("/v1/images", files={"image": ("big.png", photo)}, timeout=60)
    piece = b"a" * (2 * MAX_BODY_BYTES)
    body = piece if "Length" in framing else b"%x\r\n%b\r\n" % (len(piece), piece)
    async with raw_connection(service.url) as connection:
        head = f"GET {made.json()['links']['content']} HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n"
        sending = asyncio.create_task(connection.send(head.encode() + body))
        received = await connection.reader.readuntil(b"\r\n\r\n")
        status = int(received.split()[1])
        assert status in (200, 413)
        if status == 200:
            assert await connection.reader.readexactly(len(photo)) == photo
        sending.cancel()
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
