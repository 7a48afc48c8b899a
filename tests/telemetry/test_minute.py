"""A minute of requests over HTTP while MongoDB, and then the service as well, is killed and comes back."""

import asyncio
import time
from collections import Counter
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from app.core.settings import Settings
from tests.support.processes import service_process
from tests.telemetry.mongod import Mongod
from tests.telemetry.records import open_mongo, until

SECONDS = 60
CLIENTS = 4
FLUSH_SECONDS = 1
# The fsync, and a machine that does other things as well.
MARGIN_SECONDS = 2
Responses = dict[str, float]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


async def _send_requests(url: str, deadline: float, responses: Responses) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=10) as client:
        while time.monotonic() < deadline:
            try:
                response = await client.get("/healthz")
            except httpx.TransportError:
                await asyncio.sleep(0.05)  # it has been killed
                continue
            assert response.status_code == 200
            responses[response.headers["X-Request-ID"]] = time.monotonic()
            await asyncio.sleep(0.002)


async def _load(url: str, seconds: float) -> Responses:
    """Send requests for some seconds; return their ids with the times of the responses."""
    responses: Responses = {}
    deadline = time.monotonic() + seconds
    await asyncio.gather(*(_send_requests(url, deadline, responses) for _ in range(CLIENTS)))
    return responses


def _recorded(url: str) -> Counter[str]:
    with open_mongo(url) as mongo:
        return Counter(one["request_id"] for one in mongo.request_logs.find({}, {"request_id": 1}))


def _counted(url: str) -> int:
    with open_mongo(url) as mongo:
        return sum(one["count"] for one in mongo.request_metrics.find())


@pytest.fixture
def own(settings: Settings, mongod: Mongod, tmp_path: Path) -> Settings:
    changed = {"mongo_url": SecretStr(mongod.url), "telemetry_spill_dir": tmp_path / "wal"}
    return settings.model_copy(update=changed | {"telemetry_flush_seconds": FLUSH_SECONDS})


async def _kill_and_revive(mongod: Mongod, after: float, away: float) -> None:
    await asyncio.sleep(after)
    mongod.kill()
    await asyncio.sleep(away)
    await asyncio.to_thread(mongod.revive)


async def test_mongodb_is_killed_and_every_request_is_there_once(own: Settings, mongod: Mongod) -> None:
    with service_process(own) as service:
        responses, _ = await asyncio.gather(_load(service.url, SECONDS), _kill_and_revive(mongod, SECONDS / 3, 10))
        await until(lambda: len(_recorded(mongod.url).keys() & responses.keys()) == len(responses), 60)
        found = _recorded(mongod.url)
        await until(lambda: _counted(mongod.url) == found.total(), 20)
    assert len(responses) > 1000
    assert max(found.values()) == 1


async def test_the_service_is_killed_as_well(own: Settings, mongod: Mongod) -> None:
    reviving = asyncio.create_task(_kill_and_revive(mongod, SECONDS / 4, SECONDS / 2))
    with service_process(own) as service:
        loading = asyncio.create_task(_load(service.url, SECONDS / 2))
        await asyncio.sleep(SECONDS / 3)
        killed = time.monotonic()
        service.process.kill()
        first = await loading
    with service_process(own) as service:
        second = await _load(service.url, SECONDS / 2)
        await reviving
        safe = {name for name, at in first.items() if at < killed - FLUSH_SECONDS - MARGIN_SECONDS} | second.keys()
        await until(lambda: safe <= _recorded(mongod.url).keys(), 60)
        found = _recorded(mongod.url)
        await until(lambda: _counted(mongod.url) == found.total(), 20)
    assert len(safe) > 1000
    assert max(found.values()) == 1
