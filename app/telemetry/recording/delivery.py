"""Brings the batches of a spool to MongoDB: in order, and each event once.

A time-series collection has no unique index, no transaction and no conditional write, so a repeated insert would make
doubles. What is done instead:

1. One write of a spool is under way at a time; the next is sent when the server has journalled it (on a majority).
2. If the answer does not come (timeout, cut connection, `kill -9` of either side), the outcome is unknown. Nothing is
   sent until the server has answered promptly for SETTLE_SECONDS. That is longer than it lets a write run (maxTimeMS),
   so by then a write which was still in its socket or its queue has ended, one way or the other.
3. Then it is asked which of the event ids it has, and the others are inserted. The batches that a process finds from
   an earlier run are all looked up so: nobody knows how far that one came.
4. The metrics need no such care: each increment is guarded by the number of the last batch added (`RequestLog.
   add_metrics`). They come first, and on a replica set their majority write also makes sure that the look-up in 3 is
   answered by a primary that has every write which will survive.

What remains: a server (or a proxy before it) that holds a write back for longer than SETTLE_SECONDS while answering
everything else promptly could still make a double.
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
from app.telemetry.recording.worker_directory import WorkerDirectory, claim_orphans
from app.telemetry.recording.write_ahead_log import Spool

logger = get_logger(__name__)

SETTLE_SECONDS = WRITE_MS / 1000 + 1
_PROMPT_SECONDS = SOCKET_TIMEOUT_MS / 2000
_PING_SECONDS = 0.25
ORPHAN_SECONDS = 30.0
IDLE_SECONDS = 5.0
MAX_PAUSE_SECONDS = 5.0

T = TypeVar("T")


class RunBlocking(Protocol):
    """Runs what touches the disk off the event loop, one call at a time."""

    def __call__(self, function: Callable[[], T], /) -> Awaitable[T]: ...


class Delivery:
    """Delivers spools. `written`, `refused` (by MongoDB, for good) and `lost` (by the disk) count records."""

    def __init__(self, log: RequestLog, run_blocking: RunBlocking) -> None:
        self._log = log
        self._run_blocking = run_blocking
        self._arrived = asyncio.Event()
        self._closing = asyncio.Event()
        self._orphans_due = 0.0
        self._outage = OutageLog(logger, "request log")
        self.connected = False
        self.written = 0
        self.refused = 0
        self.lost = 0

    def notify(self) -> None:
        """Say that there is something new in the spool."""
        self._arrived.set()

    def finish(self) -> None:
        """Have `run` end when the spool is empty or cannot be delivered now."""
        self._closing.set()
        self._arrived.set()

    async def run(self, spool: Spool, root: Path) -> None:
        """Deliver the worker's spool, and what workers that are no more have left under `root`."""
        pause = 0.0
        while not (self._closing.is_set() and not spool.records):
            try:
                await self._work(spool, root)
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

    async def _work(self, spool: Spool, root: Path) -> None:
        if not self.connected:
            await self._log.ensure_collections()
            self.connected = True
            logger.info("request log reachable", spilled=spool.records)
        await self.deliver_all(spool)
        if time.monotonic() >= self._orphans_due and not self._closing.is_set():
            self._orphans_due = time.monotonic() + ORPHAN_SECONDS
            await self._deliver_orphans(root)

    async def _deliver_orphans(self, root: Path) -> None:
        slots = await self._run_blocking(lambda: list(claim_orphans(root)))
        try:
            if slots:
                await self._wait_until_stable()
            for slot in slots:
                await self._deliver_orphan(slot)
        finally:
            for slot in slots:
                slot.release()

    async def _deliver_orphan(self, slot: WorkerDirectory) -> None:
        orphan = await self._run_blocking(partial(Spool, slot.directory, 0))
        orphan.outcome_unknown = False  # settled already, and an earlier run's batches are looked up in any case
        try:
            await self.deliver_all(orphan)
        finally:
            await self._run_blocking(orphan.close)

    @staticmethod
    async def _wait(event: asyncio.Event, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await event.wait()

    async def deliver_all(self, spool: Spool) -> None:
        """Deliver what is in the spool. Raises TelemetryUnavailable; what is left stays in the spool."""
        if spool.outcome_unknown:
            await self._wait_until_stable()
        while spool.records:
            try:
                batches = await self._run_blocking(spool.first)
            except OSError as error:
                if error.errno in RESOURCE_EXHAUSTED_ERRNOS:
                    # The batch is there.
                    raise TelemetryUnavailable(str(error)) from error
                logger.exception("spilled batch could not be read")
                self.lost += await self._run_blocking(spool.acknowledge)
                continue
            await self._deliver(spool, batches)
            for _ in batches:
                await self._run_blocking(spool.acknowledge)

    async def _deliver(self, spool: Spool, batches: Sequence[Batch]) -> None:
        await self._log.add_metrics(batches)
        if spool.outcome_unknown or batches[0].stream != spool.stream:
            known = await self._log.existing_ids(batches)
            documents = [one for batch in batches for one in batch.documents() if one["_id"] not in known]
        else:
            documents = [one for batch in batches for one in batch.blocks()]
        spool.outcome_unknown = False
        refused = await self._insert(spool, documents) if documents else 0
        self.refused += refused
        self.written += sum(batch.count for batch in batches) - refused

    async def _insert(self, spool: Spool, documents: list[RawBSONDocument]) -> int:
        spool.outcome_unknown = True  # also if this task is cancelled meanwhile
        try:
            refused = await self._log.insert(documents)
        except OutcomeUnknown:
            raise
        except TelemetryUnavailable:
            spool.outcome_unknown = False
            raise
        spool.outcome_unknown = False
        return refused

    async def _wait_until_stable(self) -> None:
        calm_since = time.monotonic()
        while time.monotonic() - calm_since < SETTLE_SECONDS:
            asked = time.monotonic()
            await self._log.ping()
            if time.monotonic() - asked > _PROMPT_SECONDS:
                calm_since = time.monotonic()
            await asyncio.sleep(_PING_SECONDS)
