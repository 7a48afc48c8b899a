"""Far more requests than the limits admit."""

import asyncio
import tracemalloc
from pathlib import Path

import pytest

from app.telemetry.recording.recorder import Recorder
from tests.telemetry.records import make_record, request_ids, telemetry_settings, until

pytestmark = pytest.mark.integration

MIB = 1024 * 1024


async def test_memory_is_bounded_and_drops_are_counted_while_mongo_is_down(tmp_path: Path, mongo_url: str) -> None:
    bounds = {"telemetry_queue_size": 1000, "telemetry_spill_max_bytes": 4 * MIB}
    recorder = Recorder(telemetry_settings("mongodb://127.0.0.1:1/imts", **bounds), tmp_path)
    await recorder.start()
    tracemalloc.start()
    for number in range(50_000):
        recorder.record(make_record(number, user_agent=b"x" * 10_000))
        if number % 200 == 0:
            await asyncio.sleep(0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    await until(lambda: recorder.queue_length == 0, 30)
    await until(lambda: recorder.undelivered + recorder.dropped == 50_000)
    await recorder.close()
    assert peak < 32 * MIB
    assert 0 < recorder.undelivered < 50_000
    after = Recorder(telemetry_settings(mongo_url), tmp_path)
    await after.start()
    await until(lambda: after.written == recorder.undelivered, 60)
    await after.close()
    ids = request_ids(mongo_url)
    assert len(set(ids)) == len(ids) == recorder.undelivered
    assert ids == sorted(ids, key=lambda name: int(name[1:]))
