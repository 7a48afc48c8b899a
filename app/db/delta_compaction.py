"""The background job that adds pending deltas to stored sums, batch by batch.

Reads add the pending deltas themselves, so sums are exact without it. The job keeps the number of deltas small.
"""

from collections.abc import Awaitable, Callable

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.concurrency import repeat
from app.db.database import Database

BATCH = 20_000

# Compacts up to `limit` deltas and returns their number.
CompactBatch = Callable[[AsyncSession, int], Awaitable[int]]


class DeltaCompactor:
    """Compacts one table of deltas. Many processes can run it: an advisory lock admits one at a time."""

    def __init__(
        self, database: Database, compact_batch: CompactBatch, *, advisory_lock: int, interval: float, name: str
    ) -> None:
        self._database = database
        self._compact = compact_batch
        self._advisory_lock = advisory_lock
        self._interval = interval
        self._name = name

    async def run_forever(self) -> None:
        """Compact every `interval` seconds."""
        await repeat(self.compact, self._interval, self._name)

    async def compact(self) -> int:
        """Compact all pending deltas; return their number. Returns 0 if another process holds the lock."""
        compacted = 0
        while batch := await self._compact_batch():
            compacted += batch
            if batch < BATCH:
                break
        return compacted

    async def _compact_batch(self) -> int:
        async with self._database.advisory_locked(self._advisory_lock) as session:
            return 0 if session is None else await self._compact(session, BATCH)
