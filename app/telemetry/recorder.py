"""Takes the records of the requests and brings them to MongoDB without any request ever waiting for it."""

import asyncio
import contextlib
import logging
import os
import secrets
import socket
from collections import deque
from pathlib import Path

from app.core.settings import Settings
from app.telemetry.errors import TelemetryUnavailable
from app.telemetry.mongo import RequestLog
from app.telemetry.record import RequestRecord, to_document
from app.telemetry.redaction import PersonalData

logger = logging.getLogger(__name__)

BATCH = 500
CLOSE_TIMEOUT = 2.0


class Recorder:
    """A bounded queue in memory, and the task that empties it. Not thread-safe: it belongs to the event loop."""

    def __init__(self, settings: Settings, spill_dir: Path | None = None) -> None:
        self.log = RequestLog(settings)
        self.in_flight = 0
        self.dropped = 0
        self.spilled = 0
        self._spill_dir = spill_dir
        self._interval = settings.telemetry_flush_seconds
        self._size = settings.telemetry_queue_size
        self._personal = PersonalData("keep", settings.jwt_secret.get_secret_value())
        self._queue: deque[RequestRecord] = deque()
        self._stream, self._sequence = secrets.token_hex(8), 0
        self._worker = f"{socket.gethostname()}:{os.getpid()}"
        self._ready = False
        self._task: asyncio.Task[None] | None = None

    @property
    def queue_length(self) -> int:
        """Records in memory that are still to be written."""
        return len(self._queue)

    async def start(self) -> None:
        """Start writing in the background; MongoDB may be away."""
        self._task = asyncio.create_task(self._run(), name="telemetry")

    def record(self, event: RequestRecord) -> None:
        """Take a record; when the queue is full it is dropped and counted."""
        if len(self._queue) >= self._size:
            self.dropped += 1
        else:
            self._queue.append(event)

    async def close(self) -> None:
        """Write what is left, for at most two seconds."""
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task])
        with contextlib.suppress(TelemetryUnavailable, TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self._flush()
        self.log.close()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            try:
                await self._flush()
            except TelemetryUnavailable as error:
                logger.warning("request log unavailable: %s", error)

    async def _flush(self) -> None:
        if not self._ready:
            await self.log.ensure_collections()
            self._ready = True
        while self._queue:
            batch = [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]
            await self.log.insert([self._document(record) for record in batch])

    def _document(self, record: RequestRecord) -> dict[str, object]:
        self._sequence += 1
        return to_document(record, f"{self._stream}{self._sequence:010x}", self._worker, self._personal, frozenset())
