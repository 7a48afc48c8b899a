"""Adds the deltas of storage usage up. Usage is exact without it: reads add what is pending."""

from app.core.concurrency import repeat
from app.db.database import Database
from app.images.upload.usage_repository import UsageRepository

BATCH = 20_000
INTERVAL_SECONDS = 5
_ADVISORY_LOCK = 0x7573616765  # "usage"


class StorageUsageCompactor:
    """Folds `storage_usage_deltas` into `storage_usage`; safe to run in many processes at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def run_forever(self) -> None:
        """Fold every INTERVAL_SECONDS."""
        await repeat(self.compact, INTERVAL_SECONDS, "storage usage")

    async def compact(self) -> int:
        """Fold all pending deltas; return their number."""
        folded = 0
        while batch := await self._compact_batch():
            folded += batch
            if batch < BATCH:
                break
        return folded

    async def _compact_batch(self) -> int:
        async with self._database.advisory_locked(_ADVISORY_LOCK) as session:
            return 0 if session is None else await UsageRepository(session).compact(BATCH)
