"""MongoDB or the service is killed or frozen in the middle: each record is stored once."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from app.telemetry.recording.recorder import Recorder
from tests.telemetry.mongod import Mongod
from tests.telemetry.records import make_record, metrics_count, request_ids, until

pytestmark = pytest.mark.integration

MakeRecorder = Callable[..., Recorder]


async def _load(recorder: Recorder, seconds: float) -> int:
    """Record for some seconds and return the number of records."""
    deadline = asyncio.get_running_loop().time() + seconds
    number = 0
    while asyncio.get_running_loop().time() < deadline:
        for _ in range(20):
            recorder.record(make_record(number))
            number += 1
        await asyncio.sleep(0.01)
    return number


async def _assert_exactly(mongod: Mongod, recorder: Recorder, count: int) -> None:
    # Not the recorder's own counts: a batch on its way from the queue to the disk is in neither.
    await until(lambda: min(len(request_ids(mongod.url)), metrics_count(mongod.url)) >= count, 40)
    found = request_ids(mongod.url)
    assert found == [f"r{number}" for number in range(count)]
    assert metrics_count(mongod.url) == count
    assert recorder.dropped == 0


async def test_mongod_killed_under_load(mongod: Mongod, make_recorder: MakeRecorder) -> None:
    recorder = make_recorder(mongod.url)
    await recorder.start()
    load = asyncio.create_task(_load(recorder, 6))
    for _ in range(2):
        await asyncio.sleep(1)
        mongod.kill()
        await asyncio.sleep(0.5)
        await asyncio.to_thread(mongod.revive)
    await _assert_exactly(mongod, recorder, await load)


async def test_mongod_frozen_under_load(mongod: Mongod, make_recorder: MakeRecorder) -> None:
    recorder = make_recorder(mongod.url)
    await recorder.start()
    load = asyncio.create_task(_load(recorder, 10))
    await asyncio.sleep(1)
    mongod.freeze()
    await asyncio.sleep(7)  # longer than the socket's time-out: the write is still in the frozen server's socket
    mongod.thaw()
    await _assert_exactly(mongod, recorder, await load)


def _killed_after(command: list[str], delay: float) -> int:
    """Run the loader and kill it; return how many records were older than a flush."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own loader
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(delay)
        os.kill(process.pid, signal.SIGKILL)
        return int(process.stdout.read().split()[-1])


@pytest.mark.parametrize("delay", [0.2, 0.55, 1.0])
async def test_service_killed_under_load(
    mongod: Mongod, make_recorder: MakeRecorder, tmp_path: Path, delay: float
) -> None:
    """A record made more than one flush before the kill is stored once after the next start."""
    command = [sys.executable, "-m", "tests.telemetry.loader", mongod.url, str(tmp_path / "wal")]
    safe = await asyncio.to_thread(_killed_after, command, delay)
    recorder = make_recorder(mongod.url)
    await recorder.start()
    await until(lambda: recorder.connected and recorder.undelivered == 0, 20)
    counts = Counter(request_ids(mongod.url))
    assert max(counts.values()) == 1
    assert not [number for number in range(safe) if f"r{number}" not in counts]
    assert metrics_count(mongod.url) == len(counts)


async def test_closing_does_not_wait_for_a_frozen_mongod(mongod: Mongod, make_recorder: MakeRecorder) -> None:
    recorder = make_recorder(mongod.url)
    await recorder.start()
    recorder.record(make_record())
    await until(lambda: recorder.written == 1)
    mongod.freeze()
    recorder.record(make_record())
    async with asyncio.timeout(15):
        await recorder.close()
    assert recorder.undelivered == 1
