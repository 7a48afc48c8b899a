"""PostgreSQL is down, restarted or frozen while an upload runs."""

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import pytest

from tests.accounts import Account
from tests.faults.conftest import Acknowledged, Behind
from tests.images.files import noise_png
from tests.photos import png
from tests.raw_http import bearer, file_part, raw_connection
from tests.server import RunningService

Check = Callable[[], Awaitable[None]]


@pytest.mark.parametrize("fault", ["refuse", "black_hole"])
@pytest.mark.parametrize("when", ["from the start", "in the midst"])
async def test_an_upload_without_its_database_is_503(
    faulty: RunningService,
    behind: Behind,
    user: Account,
    acknowledged: Acknowledged,
    invariants: Check,
    fault: str,
    when: str,
) -> None:
    body = noise_png(600_000)
    async with raw_connection(faulty.url) as connection:
        if when == "from the start":
            behind.postgres.set(**{fault: True})
        await connection.begin("POST", "/v1/images", bearer(user, Transfer_Encoding="chunked"))
        await connection.send(chunk(file_part("a.png") + body[:300_000]))
        if when == "in the midst":
            # Nothing shows from outside that the service waits for more.
            await asyncio.sleep(0.3)
            behind.postgres.set(**{fault: True})
        await connection.send(chunk(body[300_000:] + b"\r\n--b--\r\n") + b"0\r\n\r\n")
        answer = await connection.answer()
    assert (answer.status, answer.json()["type"]) == (503, "/problems/database-unavailable")
    behind.postgres.set()
    behind.postgres.cut()
    again = await user.client.post(f"{faulty.url}/v1/images", files={"image": ("a.png", body)}, timeout=30)
    assert again.status_code == 201, again.text
    acknowledged.note(again, body)
    await invariants()


async def test_a_restart_between_two_uploads_is_not_noticed(
    faulty: RunningService, behind: Behind, user: Account, acknowledged: Acknowledged, invariants: Check
) -> None:
    for name in ("1.png", "2.png"):
        body = png()
        answer = await user.client.post(f"{faulty.url}/v1/images", files={"image": (name, body)})
        assert answer.status_code == 201, answer.text
        acknowledged.note(answer, body)
        behind.postgres.cut()
        await asyncio.sleep(0)
    await invariants()


async def test_slow_clients_hold_no_connection(faulty: RunningService, behind: Behind, user: Account) -> None:
    limit = behind.settings.database_pool_size + behind.settings.database_max_overflow
    body, going = png(), asyncio.Event()

    async def slow(number: int) -> int:
        async with raw_connection(faulty.url) as connection:
            await connection.begin("POST", "/v1/images", bearer(user, Transfer_Encoding="chunked"))
            await connection.send(chunk(file_part(f"{number}.png") + body[:40]))
            await going.wait()
            await connection.send(chunk(body[40:] + b"\r\n--b--\r\n") + b"0\r\n\r\n")
            return (await connection.answer()).status

    uploads = [asyncio.create_task(slow(number)) for number in range(3 * limit)]
    async with httpx.AsyncClient(base_url=faulty.url) as client:
        for _ in range(20):
            assert (await client.get("/v1/images")).status_code == 200
    going.set()
    assert set(await asyncio.gather(*uploads)) == {201}


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"
