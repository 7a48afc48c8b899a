"""The background task that reads the statistics of the service, so that no scrape or page waits for them."""

import asyncio
import time

from app.core.concurrency import repeat
from app.db.database import Database
from app.ops.statistics.repository import ServiceStatistics, StatisticsRepository

INTERVAL_SECONDS = 60.0
# The refresh takes at most this part of the time of one connection, also with millions of rows.
_MAX_SHARE = 0.02


class StatisticsRefresh:
    """Holds the latest statistics: None before the first refresh. During an outage, the earlier ones remain."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.latest: ServiceStatistics | None = None

    async def run_forever(self) -> None:
        """Refresh every INTERVAL_SECONDS, or less often if a refresh takes more than a second."""
        await repeat(self._refresh_and_pause, INTERVAL_SECONDS, "statistics")

    async def refresh(self) -> None:
        """Read the statistics now. Raises Unavailable, QueryTimeout."""
        async with self._database.read_session() as session:
            self.latest = await StatisticsRepository(session).get()

    async def _refresh_and_pause(self) -> None:
        started = time.monotonic()
        await self.refresh()
        await asyncio.sleep(max(0.0, (time.monotonic() - started) / _MAX_SHARE - INTERVAL_SECONDS))
