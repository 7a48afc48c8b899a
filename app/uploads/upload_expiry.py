"""Deletes uploads that got no bytes for too long; the sweeper then deletes their objects."""

from app.core.concurrency import repeat
from app.core.settings import Settings
from app.db.base import utc_now
from app.db.database import Database
from app.uploads.repository import UploadRepository

BATCH = 100


class UploadExpiry:
    """Removes expired uploads; safe to run in many processes at once."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._interval = settings.sweep_interval_seconds

    async def run_forever(self) -> None:
        """Remove expired uploads again and again."""
        await repeat(self.remove_expired, self._interval, "upload expiry")

    async def remove_expired(self) -> int:
        """Remove every expired upload; return their number."""
        removed = 0
        while True:
            async with self._database.unit_of_work() as session:
                batch = await UploadRepository(session).remove_expired(utc_now(), BATCH)
            removed += batch
            if batch < BATCH:
                return removed
