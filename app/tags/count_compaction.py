"""The compaction of `tag_count_deltas` into `tags.image_count`."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.db.database import Database
from app.db.delta_compaction import DeltaCompactor
from app.tags.repository import TagRepository

_ADVISORY_LOCK = 0x636F756E74  # "count"


class TagCountCompactor(DeltaCompactor):
    """Compacts the pending changes of tag counts. Counts that clients see do not change."""

    def __init__(self, database: Database, interval: float) -> None:
        super().__init__(database, _compact_batch, advisory_lock=_ADVISORY_LOCK, interval=interval, name="tag counts")


async def _compact_batch(session: AsyncSession, limit: int) -> int:
    return await TagRepository(session).compact_counts(limit)
