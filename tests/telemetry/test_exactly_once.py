"""The response to a write is lost, but the write takes effect sooner or later."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from app.telemetry.recording.recorder import Recorder
from tests.telemetry.mongo_message_proxy import INSERT, UPDATE, proxied
from tests.telemetry.records import metrics_count, numbered, request_ids, telemetry_settings, until

pytestmark = pytest.mark.integration

MakeRecorder = Callable[..., Recorder]


async def _record_all(recorder: Recorder, first: int, count: int) -> None:
    for start in range(first, first + count, 10):
        for record in numbered(start, 10):
            recorder.record(record)
        await asyncio.sleep(0.01)


def _assert_exactly(mongo_url: str, count: int) -> None:
    assert sorted(request_ids(mongo_url)) == sorted(f"r{number}" for number in range(count))
    assert metrics_count(mongo_url) == count


@pytest.mark.parametrize("command", [INSERT, UPDATE], ids=["insert", "metrics"])
@pytest.mark.parametrize("hold", [0.0, 3.0])
async def test_a_lost_response(make_recorder: MakeRecorder, mongo_url: str, command: bytes, hold: float) -> None:
    async with proxied(mongo_url) as (proxy, url):
        proxy.command, proxy.hold, proxy.cuts = command, hold, 2
        recorder = make_recorder(url)
        await recorder.start()
        await _record_all(recorder, 0, 500)
        await until(lambda: recorder.written == 500, 40)
        assert proxy.cuts == 0
        await recorder.close()
    _assert_exactly(mongo_url, 500)


async def test_the_service_ends_before_the_response(mongo_url: str, tmp_path: Path) -> None:
    async with proxied(mongo_url) as (proxy, url):
        proxy.hold, proxy.cuts = 1.5, 1
        before = Recorder(telemetry_settings(url), tmp_path)
        await before.start()
        await _record_all(before, 0, 200)
        await before.close()
        assert before.undelivered > 0
        after = Recorder(telemetry_settings(url), tmp_path)
        await after.start()
        await _record_all(after, 200, 200)
        await until(lambda: after.undelivered == 0 and after.queue_length == 0, 30)
        await after.close()
    _assert_exactly(mongo_url, 400)


async def test_slow_mongo(make_recorder: MakeRecorder, mongo_url: str) -> None:
    async with proxied(mongo_url) as (proxy, url):
        proxy.latency = 0.5
        recorder = make_recorder(url)
        await recorder.start()
        await _record_all(recorder, 0, 1000)
        await until(lambda: recorder.written == 1000, 30)
        await recorder.close()
    _assert_exactly(mongo_url, 1000)


async def test_workers_that_share_a_directory(make_recorder: MakeRecorder, mongo_url: str) -> None:
    recorders = [make_recorder(mongo_url) for _ in range(4)]
    for recorder in recorders:
        await recorder.start()
    await asyncio.gather(*(_record_all(recorder, index * 100, 100) for index, recorder in enumerate(recorders)))
    await until(lambda: sum(recorder.written for recorder in recorders) == 400)
    total = 'imts_http_requests_total{method="GET",route="/v1/images/{id}",status_class="2xx"} 400.0\n'
    async with asyncio.timeout(30):
        # Each of them publishes its metrics with its next flush.
        while total not in (text := await recorders[2].metrics_text()) or "connected_workers 4.0\n" not in text:
            await asyncio.sleep(0.02)
    _assert_exactly(mongo_url, 400)


async def test_another_worker_delivers_an_abandoned_log(mongo_url: str, tmp_path: Path) -> None:
    nowhere = telemetry_settings("mongodb://127.0.0.1:1/imts")
    dead = [Recorder(nowhere, tmp_path) for _ in range(3)]
    for index, recorder in enumerate(dead):
        await recorder.start()
        await _record_all(recorder, index * 100, 100)
    for recorder in dead:
        await recorder.close()
    alive = Recorder(telemetry_settings(mongo_url), tmp_path)
    await alive.start()
    await until(lambda: alive.written == 300, 40)
    await alive.close()
    _assert_exactly(mongo_url, 300)
    assert not list(tmp_path.glob("*/*.seg"))
