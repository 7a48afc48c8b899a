"""The compaction of `storage_usage_deltas` into `storage_usage`."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.db.database import Database
from app.db.delta_compaction import DeltaCompactor
from app.images.upload.usage_repository import UsageRepository

INTERVAL_SECONDS = 5
_ADVISORY_LOCK = 0x7573616765  # "usage"


class StorageUsageCompactor(DeltaCompactor):
    """Compacts the pending changes of storage usage."""

    def __init__(self, database: Database) -> None:
        super().__init__(
            database, _compact_batch, advisory_lock=_ADVISORY_LOCK, interval=INTERVAL_SECONDS, name="storage usage"
        )


async def _compact_batch(session: AsyncSession, limit: int) -> int:
    return await UsageRepository(session).compact(limit)
