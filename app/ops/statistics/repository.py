"""SQL of the statistics of the whole service."""

import uuid
from typing import NamedTuple

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import StorageUsage, User

# The images of accounts come from the sums that triggers keep; only images without an account are counted.
_STATISTICS = text("""
    WITH stored AS (
        SELECT image_count, byte_count FROM storage_usage
        UNION ALL SELECT image_count, byte_count FROM storage_usage_deltas
        UNION ALL SELECT count(*), sum(size)::bigint FROM images WHERE uploaded_by IS NULL
    )
    SELECT (SELECT coalesce(sum(image_count), 0)::bigint FROM stored) AS images,
        (SELECT coalesce(sum(byte_count), 0)::bigint FROM stored) AS image_bytes,
        (SELECT count(*) FROM trashed_images) AS trashed_images,
        (SELECT coalesce(sum(size), 0)::bigint FROM trashed_images) AS trashed_bytes,
        (SELECT count(*) FROM users) AS users,
        (SELECT count(*) FROM uploads WHERE state = 'open') AS open_uploads,
        (SELECT count(*) FROM orphaned_objects WHERE orphaned_at < 'infinity') AS orphaned_objects""")


class ServiceStatistics(NamedTuple):
    """The stored data of the service. `orphaned_objects` are those that the sweeper will delete."""

    images: int
    image_bytes: int
    trashed_images: int
    trashed_bytes: int
    users: int
    open_uploads: int
    orphaned_objects: int


class AccountStorage(NamedTuple):
    """The stored images of one account."""

    user_id: uuid.UUID
    email: str
    images: int
    bytes: int


class StatisticsRepository:
    """Reads the statistics. Their time grows with the tables: for a background task, not for a request."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self) -> ServiceStatistics:
        """Return the current statistics."""
        return ServiceStatistics(*(await self._session.execute(_STATISTICS)).one())

    async def list_largest_accounts(self, limit: int) -> list[AccountStorage]:
        """Return the accounts with the most bytes, of which a few seconds of changes may be missing."""
        statement = (
            select(User.id, User.email, StorageUsage.image_count, StorageUsage.byte_count)
            .join(User, User.id == StorageUsage.user_id)
            .order_by(StorageUsage.byte_count.desc(), User.id)
            .limit(limit)
        )
        return [AccountStorage(*row) for row in (await self._session.execute(statement)).all()]

    async def get_server_version(self) -> str:
        """Return the version of PostgreSQL."""
        return str(await self._session.scalar(text("SHOW server_version")))
