"""Delivery of write-ahead logs to MongoDB: in order, and each record exactly once.

A time-series collection has no unique index, no transaction and no conditional write, so that a repeated insert would
create duplicates. Delivery therefore works as follows:

1. A log has one write in progress at a time. The next is sent once a majority has journalled it.
2. If no response arrives (timeout, cut connection, `kill -9` of either side), the outcome is unknown. Nothing is sent
   until the server has responded promptly for STABLE_SECONDS. A write may run for maxTimeMS, which is shorter, so that
   a write still in a socket or queue has ended by then.
3. Then the existing event ids are read, and the other records are inserted. Batches of an earlier run are always
   looked up, because its progress is unknown. A run is the life of one worker process.
4. The metrics need no look-up: the number of the last batch added guards each increment (`RequestLog.add_metrics`).
   They are written first. On a replica set their majority write also ensures that the look-up in 3 reads from a primary
   with every write that will survive.

Remaining gap: a server or proxy that delays a write by more than STABLE_SECONDS, yet responds promptly to everything
else, could still create a duplicate.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from bson.raw_bson import RawBSONDocument

from app.core.concurrency import RESOURCE_EXHAUSTED_ERRNOS
from app.core.observability.logging import get_logger
from app.core.observability.outages import OutageLog
from app.telemetry.errors import OutcomeUnknown, TelemetryUnavailable
from app.telemetry.mongo_store import SOCKET_TIMEOUT_MS, WRITE_MS, RequestLog
from app.telemetry.recording.batch import Batch
from app.telemetry.recording.worker_directory import WorkerDirectory, claim_abandoned
from app.telemetry.recording.write_ahead_log import WriteAheadLog

logger = get_logger(__name__)

STABLE_SECONDS = WRITE_MS / 1000 + 1
_PROMPT_SECONDS = SOCKET_TIMEOUT_MS / 2000
_PING_SECONDS = 0.25
# Between two searches for logs of ended workers.
ABANDONED_SECONDS = 30.0
IDLE_SECONDS = 5.0
MAX_PAUSE_SECONDS = 5.0

T = TypeVar("T")


class RunBlocking(Protocol):
    """Runs blocking disk operations outside of the event loop, one at a time."""

    def __call__(self, function: Callable[[], T], /) -> Awaitable[T]: ...


class Delivery:
    """Delivers write-ahead logs; counts records written, rejected by MongoDB, and unreadable on the disk.

    `imts_telemetry_written_total`, `_rejected_total` and `_unreadable_total` report these counts.
    """

    def __init__(self, log: RequestLog, run_blocking: RunBlocking) -> None:
        self._log = log
        self._run_blocking = run_blocking
        self._arrived = asyncio.Event()
        self._closing = asyncio.Event()
        self._abandoned_due = 0.0
        self._outage = OutageLog(logger, "request log")
        self.connected = False
        self.written = 0
        self.rejected = 0
        self.unreadable = 0

    def notify(self) -> None:
        """Wake the delivery: the log has a new batch."""
        self._arrived.set()

    def finish(self) -> None:
        """Let `run` end once the log is empty or cannot be delivered now."""
        self._closing.set()
        self._arrived.set()

    async def run(self, wal: WriteAheadLog, root: Path) -> None:
        """Deliver the worker's log, and the logs of ended workers under `root`."""
        pause = 0.0
        while not (self._closing.is_set() and not wal.records):
            try:
                await self._work(wal, root)
            except TelemetryUnavailable as error:
                self._outage.fail(error)
                self.connected = False
            except Exception as error:  # noqa: BLE001 - it is logged with its traceback
                self._outage.fail(error, traceback=True)
                self.connected = False
            else:
                self._outage.recover()
            if self.connected:
                pause = 0.0
                await self._wait(self._arrived, IDLE_SECONDS)
                self._arrived.clear()
            elif self._closing.is_set():
                return
            else:
                pause = min(MAX_PAUSE_SECONDS, pause * 2 or 0.25)
                await self._wait(self._closing, pause)

    async def _work(self, wal: WriteAheadLog, root: Path) -> None:
        if not self.connected:
            await self._log.ensure_collections()
            self.connected = True
            logger.info("request log reachable", undelivered=wal.records)
        await self.deliver_all(wal)
        if time.monotonic() >= self._abandoned_due and not self._closing.is_set():
            self._abandoned_due = time.monotonic() + ABANDONED_SECONDS
            await self._deliver_abandoned(root)

    async def _deliver_abandoned(self, root: Path) -> None:
        directories = await self._run_blocking(lambda: list(claim_abandoned(root)))
        try:
            if directories:
                await self._wait_until_stable()
            for directory in directories:
                await self._deliver_directory(directory)
        finally:
            for directory in directories:
                directory.release()

    async def _deliver_directory(self, directory: WorkerDirectory) -> None:
        wal = await self._run_blocking(partial(WriteAheadLog, directory.path, 0))
        wal.outcome_unknown = False  # stable already; batches of an earlier run are looked up in any case
        try:
            await self.deliver_all(wal)
        finally:
            await self._run_blocking(wal.close)

    @staticmethod
    async def _wait(event: asyncio.Event, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await event.wait()

    async def deliver_all(self, wal: WriteAheadLog) -> None:
        """Deliver the batches of a log; the others stay in it. Raises TelemetryUnavailable."""
        if wal.outcome_unknown:
            await self._wait_until_stable()
        while wal.records:
            try:
                batches = await self._run_blocking(wal.first)
            except OSError as error:
                if error.errno in RESOURCE_EXHAUSTED_ERRNOS:
                    # The batch itself is readable.
                    raise TelemetryUnavailable(str(error)) from error
                logger.exception("batch could not be read from the write-ahead log")
                self.unreadable += await self._run_blocking(wal.acknowledge)
                continue
            await self._deliver(wal, batches)
            for _ in batches:
                await self._run_blocking(wal.acknowledge)

    async def _deliver(self, wal: WriteAheadLog, batches: Sequence[Batch]) -> None:
        await self._log.add_metrics(batches)
        if wal.outcome_unknown or batches[0].run_id != wal.run_id:
            known = await self._log.existing_ids(batches)
            documents = [one for batch in batches for one in batch.documents() if one["_id"] not in known]
        else:
            documents = [one for batch in batches for one in batch.wire_documents()]
        wal.outcome_unknown = False
        rejected = await self._insert(wal, documents) if documents else 0
        self.rejected += rejected
        self.written += sum(batch.count for batch in batches) - rejected

    async def _insert(self, wal: WriteAheadLog, documents: list[RawBSONDocument]) -> int:
        wal.outcome_unknown = True  # also if this task is cancelled meanwhile
        try:
            rejected = await self._log.insert(documents)
        except OutcomeUnknown:
            raise
        except TelemetryUnavailable:
            wal.outcome_unknown = False
            raise
        wal.outcome_unknown = False
        return rejected

    async def _wait_until_stable(self) -> None:
        stable_since = time.monotonic()
        while time.monotonic() - stable_since < STABLE_SECONDS:
            sent = time.monotonic()
            await self._log.ping()
            if time.monotonic() - sent > _PROMPT_SECONDS:
                stable_since = time.monotonic()
            await asyncio.sleep(_PING_SECONDS)
