"""Brings the batches of a spool to MongoDB: in order, and each event once.

A time-series collection has no unique index, no transaction and no conditional write, so a repeated insert would make
doubles. What is done instead:

1. One batch of a spool is under way at a time; the next is sent when the server has acknowledged it (journal, majority).
2. If the answer does not come (timeout, cut connection, `kill -9` of either side) the outcome is unknown. Nothing is
   sent until the server has answered promptly for SETTLE_SECONDS. That is longer than it lets a write run (maxTimeMS),
   so by then a write which was still in its socket or its queue has ended, one way or the other.
3. Then it is asked which of the batch's event ids it has, and the others are inserted. A process that finds batches of
   an earlier run does so for each, until one of which nothing is there: since they were sent in order, all after it
   were never sent.
4. The metrics need no such care: each increment is guarded by the number of the last batch added (`RequestLog.
   add_metrics`). They come first, and on a replica set their majority write also makes sure that the look-up in 3 is
   answered by a primary that has every write which will survive.

What remains: a server (or a proxy before it) that holds a write back for longer than SETTLE_SECONDS while answering
everything else promptly could still make a double.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from bson.raw_bson import RawBSONDocument

from app.telemetry.batch import Batch
from app.telemetry.errors import OutcomeUnknown, TelemetryUnavailable
from app.telemetry.mongo import SOCKET_TIMEOUT_MS, WRITE_MS, RequestLog
from app.telemetry.spool import Spool

logger = logging.getLogger(__name__)

SETTLE_SECONDS = WRITE_MS / 1000 + 1
_PROMPT_SECONDS = SOCKET_TIMEOUT_MS / 2000
_PING_SECONDS = 0.25

T = TypeVar("T")


class RunBlocking(Protocol):
    """Runs what touches the disk off the event loop, one call at a time."""

    def __call__(self, function: Callable[[], T], /) -> Awaitable[T]: ...


class Delivery:
    """Delivers spools. `written`, `refused` (by MongoDB, for good) and `lost` (by the disk) count records."""

    def __init__(self, log: RequestLog, run_blocking: RunBlocking) -> None:
        self._log = log
        self._run_blocking = run_blocking
        self.written = 0
        self.refused = 0
        self.lost = 0

    async def deliver_all(self, spool: Spool) -> None:
        """Deliver what is in the spool. Raises TelemetryUnavailable; what is left stays in the spool."""
        settled = False
        while spool.records:
            if spool.unsure and not settled:
                await self._settle()
                settled = True
            try:
                batch = await self._run_blocking(spool.first)
            except OSError:
                logger.exception("a batch of request records cannot be read back")
                self.lost += await self._run_blocking(spool.acknowledge)
                continue
            await self._deliver(spool, batch)
            await self._run_blocking(spool.acknowledge)

    async def _deliver(self, spool: Spool, batch: Batch) -> None:
        await self._log.add_metrics(batch)
        documents = batch.documents()
        if spool.unsure:
            present = await self._log.present(batch)
            documents = [document for document in documents if document["_id"] not in present]
            # Of its own stream only this batch was sent; of an earlier run's, later ones may have been.
            spool.unsure = bool(present) and batch.stream != spool.stream
            self.written += len(present)
        if documents:
            refused = await self._insert(spool, documents)
            self.refused += refused
            self.written += len(documents) - refused

    async def _insert(self, spool: Spool, documents: list[RawBSONDocument]) -> int:
        was_unsure, spool.unsure = spool.unsure, True  # also if this task is cancelled meanwhile
        try:
            refused = await self._log.insert(documents)
        except OutcomeUnknown:
            raise
        except TelemetryUnavailable:
            spool.unsure = was_unsure
            raise
        spool.unsure = was_unsure
        return refused

    async def _settle(self) -> None:
        calm_since = time.monotonic()
        while time.monotonic() - calm_since < SETTLE_SECONDS:
            asked = time.monotonic()
            await self._log.ping()
            if time.monotonic() - asked > _PROMPT_SECONDS:
                calm_since = time.monotonic()
            await asyncio.sleep(_PING_SECONDS)
