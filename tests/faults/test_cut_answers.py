"""A backend that fails once a response has begun."""

import asyncio
import logging

import httpx
import pytest

from app.storage.chunks import PART_BYTES
from tests.faults.conftest import Behind
from tests.images.files import noise_png
from tests.support.accounts import Account
from tests.support.server import RunningService


async def test_a_store_killed_during_a_download_is_logged_as_a_warning(
    faulty: RunningService, behind: Behind, user: Account, admin: Account, caplog: pytest.LogCaptureFixture
) -> None:
    files = {"image": ("a.png", noise_png(2 * PART_BYTES))}
    links = (await user.client.post(f"{faulty.url}/v1/images", files=files, timeout=60)).json()["links"]
    behind.store.set(reset_after_received=PART_BYTES)
    with caplog.at_level(logging.WARNING), pytest.raises(httpx.RemoteProtocolError):
        await user.client.get(f"{faulty.url}{links['content']}", headers={"X-Request-ID": "cut"}, timeout=60)
    behind.store.set()
    logged = [one for one in caplog.records if one.levelno >= logging.WARNING]
    own = [one for one in logged if one.name.startswith(("app.http", "uvicorn"))]
    assert [(one.levelname, one.getMessage(), one.exc_info) for one in own] == [("WARNING", "response aborted", None)]
    async with asyncio.timeout(30):
        while not (items := await records(admin, faulty.url)):
            await asyncio.sleep(0.05)
    [record] = items
    assert (record["status"], record["error_slug"], record["aborted"]) == (200, "storage-unavailable", True)


async def records(admin: Account, url: str) -> list[dict[str, object]]:
    response = await admin.client.get(f"{url}/v1/ops/requests?request_id=cut", timeout=30)
    items: list[dict[str, object]] = response.json()["items"]
    return items
