"""Delivers committed audit events to MongoDB.

PostgreSQL is the source of truth. The events wait in memory: an outage of MongoDB only delays them, but the end of the
process loses those that still wait.
"""

import asyncio
import contextlib
from collections import deque
from itertools import islice

from app.core.observability.logging import get_logger
from app.core.observability.outages import OutageLog
from app.telemetry.audit_record import AuditRecord
from app.telemetry.errors import TelemetryUnavailable
from app.telemetry.mongo_store import RequestLog

logger = get_logger(__name__)

# An event has at most about 60 KB (`app.audit.audit_log`), and usually 500 bytes.
MAX_WAITING = 1000
BATCH = 100
RETRY_SECONDS = 2.0
CLOSE_SECONDS = 2.0


class AuditDelivery:
    """One for each process. Not thread-safe: used by the event loop only."""

    def __init__(self, log: RequestLog) -> None:
        self._log = log
        self._waiting: deque[AuditRecord] = deque()
        self._arrived = asyncio.Event()
        self._outage = OutageLog(logger, "audit records")
        self._task: asyncio.Task[None] | None = None
        self.dropped = 0

    @property
    def waiting(self) -> int:
        """The number of events that MongoDB does not have yet."""
        return len(self._waiting)

    def add(self, record: AuditRecord) -> None:
        """Add a committed event; beyond MAX_WAITING it is dropped and counted."""
        if len(self._waiting) >= MAX_WAITING:
            self.dropped += 1
            return
        self._waiting.append(record)
        self._arrived.set()

    def start(self) -> None:
        """Deliver in the background."""
        self._task = asyncio.create_task(self._run(), name="audit-delivery")

    async def close(self) -> None:
        """Deliver the waiting events within CLOSE_SECONDS."""
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task])
        with contextlib.suppress(TelemetryUnavailable, TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._deliver_all()

    async def _run(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            try:
                await self._deliver_all()
            except TelemetryUnavailable as error:
                self._outage.fail(error)
                self._arrived.set()
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self._outage.recover()

    async def _deliver_all(self) -> None:
        while batch := list(islice(self._waiting, BATCH)):
            await self._log.insert_audit([record.document() for record in batch])
            for _ in batch:
                self._waiting.popleft()
