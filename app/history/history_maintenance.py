"""Periodic maintenance of the tag history: partitions of this month and the next, and the events of deleted images."""

from datetime import UTC, datetime

from app.core.concurrency import repeat
from app.core.settings import Settings
from app.db.base import utc_now
from app.db.database import Database, set_lock_timeout
from app.history.repository import HistoryMaintenanceRepository

_ADVISORY_LOCK = 0x686973746F7279  # "history"
# The current month and the next one. Later events have a place in the default partition.
MONTHS = 2
# Images whose events are deleted in one transaction: about 20 events each.
BATCH = 200


class HistoryMaintenance:
    """Maintains `tag_events`. Many processes can run it: an advisory lock admits one at a time."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._interval = settings.sweep_interval_seconds

    async def run_forever(self) -> None:
        """Maintain the history every SWEEP_INTERVAL_SECONDS."""
        await repeat(self.run, self._interval, "tag history")

    async def run(self) -> None:
        """Create the missing partitions, and delete the events of deleted images."""
        await self.create_partitions(utc_now())
        await self.remove_orphaned()

    async def create_partitions(self, now: datetime) -> None:
        """Create the partitions of this month and the next that do not exist. Raises DatabaseBusy."""
        start = datetime(now.year, now.month, 1, tzinfo=UTC)
        for _ in range(MONTHS):
            end = next_month(start)
            name = f"tag_events_{start:%Y_%m}"
            async with self._database.advisory_locked(_ADVISORY_LOCK) as session:
                if session is not None:
                    repository = HistoryMaintenanceRepository(session)
                    if not await repository.has_table(name):
                        await set_lock_timeout(session)
                        await repository.create_partition(name, start, end)
            start = end

    async def remove_orphaned(self) -> int:
        """Delete the events of all images that do not exist, in batches; return the number of images."""
        removed = 0
        while True:
            async with self._database.advisory_locked(_ADVISORY_LOCK) as session:
                batch = 0 if session is None else await HistoryMaintenanceRepository(session).remove_orphaned(BATCH)
            removed += batch
            if batch < BATCH:
                return removed


def next_month(start: datetime) -> datetime:
    """Return the start of the month after the one that starts at this time."""
    return start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)
