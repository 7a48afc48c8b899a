"""Bodies that come too slowly."""

import asyncio
import contextlib

import pytest

from app.storage.chunks import PART_BYTES
from tests.images.files import noise_png
from tests.support.accounts import Account
from tests.support.raw_http import raw_connection
from tests.support.server import RunningService

pytestmark = pytest.mark.integration

FORM = {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": "1000"}


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.http.middleware.core_middleware.BODY_SECONDS", 0.3)


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize("pause", [0.05, 60])
async def test_a_trickling_client_is_disconnected(service: RunningService, pause: float) -> None:
    async with raw_connection(service.url) as connection:
        await connection.begin("POST", "/v1/auth/token", FORM)
        response = asyncio.create_task(connection.read_response())
        while not response.done():
            with contextlib.suppress(ConnectionError):
                await connection.send(b"g")
            await asyncio.wait([response], timeout=pause)
        refusal = response.result()
        assert (refusal.status, refusal.json()["type"]) == (408, "/problems/request-timeout")
        assert refusal.headers["connection"] == "close"
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(20):
                assert await connection.reader.read() == b""


@pytest.mark.usefixtures("_impatient")
async def test_a_response_may_take_longer_than_a_body(service: RunningService, user: Account) -> None:
    picture = noise_png(2 * PART_BYTES)
    links = (await user.client.post("/v1/images", files={"image": ("a.png", picture)}, timeout=60)).json()["links"]
    async with raw_connection(service.url) as connection:
        await connection.begin("GET", links["content"], {})
        await connection.reader.readuntil(b"\r\n\r\n")
        # The service waits for the reader, and for its disconnection.
        await asyncio.sleep(0.6)
        assert await connection.reader.readexactly(len(picture)) == picture
