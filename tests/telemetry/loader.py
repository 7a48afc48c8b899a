"""A service that does nothing but record: prints, line by line, how many records are older than a flush."""

import asyncio
import sys
import time
from collections import deque
from pathlib import Path

from app.telemetry.recording.recorder import Recorder
from tests.telemetry.records import make_record, telemetry_settings

FLUSH_SECONDS = 0.1
MARGIN_SECONDS = 0.1  # the fsync, and the turn of the event loop


async def main(mongo_url: str, root: str) -> None:
    settings = telemetry_settings(mongo_url, telemetry_flush_seconds=FLUSH_SECONDS)
    recorder = Recorder(settings, Path(root))
    await recorder.start()
    made: deque[tuple[float, int]] = deque()
    number = 0
    while True:
        for _ in range(20):
            recorder.record(make_record(number))
            number += 1
        made.append((time.monotonic() + FLUSH_SECONDS + MARGIN_SECONDS, number))
        while made[0][0] < time.monotonic():
            sys.stdout.write(f"{made.popleft()[1]}\n")
            sys.stdout.flush()
        await asyncio.sleep(0.01)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
