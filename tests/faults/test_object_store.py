"""The object store is down, slow, cut, or answers 503: nothing is lost, nothing is left."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import httpx
import pytest

from app.storage.chunks import PART_BYTES
from tests.faults.conftest import Acknowledged, Behind
from tests.images.files import noise_png
from tests.support.accounts import Account
from tests.support.photos import png
from tests.support.server import RunningService

LARGE = 2 * PART_BYTES + 100_000
Check = Callable[[], Awaitable[None]]


async def upload(url: str, user: Account, body: bytes, name: str = "a.png") -> httpx.Response:
    return await user.client.post(f"{url}/v1/images", files={"image": (name, body)}, timeout=60)


@pytest.mark.parametrize("large", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "faults",
    [
        {"refuse": True},
        {"black_hole": True},
        {"reset_after_sent": 300},
        {"reset_after_sent": PART_BYTES + PART_BYTES // 2},
        {"reset_after_received": 200},
        {"unavailable": 100},
    ],
    ids=str,
)
async def test_a_failed_upload_is_503_and_its_name_is_free(
    faulty: RunningService,
    behind: Behind,
    user: Account,
    acknowledged: Acknowledged,
    invariants: Check,
    faults: dict[str, object],
    large: bool,
) -> None:
    body = noise_png(LARGE) if large else png()
    behind.store.set(**faults)
    started = time.monotonic()
    response = await upload(faulty.url, user, body)
    acknowledged.note(response, body)
    if response.status_code != 201:
        assert (response.status_code, response.json()["type"]) == (503, "/problems/storage-unavailable")
        assert "retry-after" in response.headers
        if not large:
            assert time.monotonic() - started < 20
    behind.store.set()
    again = await upload(faulty.url, user, body)
    assert again.status_code == (409 if response.status_code == 201 else 201), again.text
    acknowledged.note(again, body)
    await invariants()


@pytest.mark.parametrize("size", [1000, LARGE])
async def test_bytes_that_changed_in_transit_are_never_acknowledged(
    faulty: RunningService,
    behind: Behind,
    user: Account,
    acknowledged: Acknowledged,
    invariants: Check,
    size: int,
) -> None:
    body = noise_png(size) + b"a mark that can be damaged" * 3
    behind.store.set(damaged=b"can be damaged")
    response = await upload(faulty.url, user, body)
    assert (response.status_code, response.json()["type"]) == (503, "/problems/storage-unavailable")
    behind.store.set()
    again = await upload(faulty.url, user, body)
    assert again.status_code == 201, again.text
    acknowledged.note(again, body)
    await invariants()


async def test_a_single_503_of_the_store_is_retried(
    faulty: RunningService, behind: Behind, user: Account, acknowledged: Acknowledged, invariants: Check
) -> None:
    for name, body in (("s.png", png()), ("l.png", noise_png(LARGE))):
        behind.store.set(unavailable=1)
        response = await upload(faulty.url, user, body, name)
        acknowledged.note(response, body)
        if name == "s.png":
            assert response.status_code == 201, response.text
    behind.store.set()
    await invariants()


async def test_a_slow_store_slows_only_its_uploads(
    faulty: RunningService, behind: Behind, user: Account, acknowledged: Acknowledged, invariants: Check
) -> None:
    body = noise_png(LARGE)
    behind.store.set(bytes_per_second=8_000_000, latency=0.001)
    running = asyncio.create_task(upload(faulty.url, user, body))
    answered = 0
    while not running.done():
        assert (await user.client.get(f"{faulty.url}/v1/images")).status_code == 200
        answered += 1
    assert answered > 5
    assert running.result().status_code == 201
    acknowledged.note(running.result(), body)
    behind.store.set()
    await invariants()


async def test_a_store_killed_during_a_download_never_gives_a_truncated_200(
    faulty: RunningService, behind: Behind, user: Account, invariants: Check
) -> None:
    body = noise_png(LARGE)
    links = (await upload(faulty.url, user, body)).json()["links"]
    behind.store.set(reset_after_received=PART_BYTES)
    with pytest.raises(httpx.RemoteProtocolError):
        await user.client.get(f"{faulty.url}{links['content']}")
    behind.store.set(refuse=True)
    for path in (links["content"], links["thumbnail"]):
        response = await user.client.get(f"{faulty.url}{path}")
        assert response.json()["type"] == "/problems/storage-unavailable"
    behind.store.set()
    assert (await user.client.get(f"{faulty.url}{links['content']}")).content == body
    await invariants()


async def test_images_deleted_during_an_outage_of_the_store_are_removed_later(
    faulty: RunningService, behind: Behind, user: Account, invariants: Check
) -> None:
    links = (await upload(faulty.url, user, png())).json()["links"]
    behind.store.set(refuse=True)
    assert (await user.client.delete(f"{faulty.url}{links['self']}", params={"permanent": "true"})).status_code == 204
    behind.store.set()
    await invariants()
