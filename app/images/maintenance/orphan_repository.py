"""SQL of the orphan list: the keys of objects that no committed image owns.

An upload lists its key before it sends bytes, and the transaction that writes the image removes the key. The sweeper
deletes the objects whose keys stay on the list for longer than the grace period. The objects of open resumable uploads
have the time `infinity`.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sqlalchemy import ARRAY, DateTime, String, bindparam, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import OrphanedObject

_MARK_ORPHANED = text("""
    INSERT INTO orphaned_objects (storage_key, orphaned_at)
    SELECT key, coalesce(:since, now()) FROM unnest(:keys) AS key ORDER BY key
    ON CONFLICT (storage_key) DO UPDATE SET orphaned_at = now()""").bindparams(
    bindparam("keys", type_=ARRAY(String)), bindparam("since", type_=DateTime(timezone=True))
)


class OrphanRepository:
    """Reads and changes the orphan list."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def mark_orphaned(self, keys: Sequence[str], since: datetime | None = None) -> None:
        """List storage keys that no committed image owns. The grace period of a new key begins now, or at `since`."""
        await self._session.execute(_MARK_ORPHANED, {"keys": keys, "since": since})

    async def unmark_orphaned(self, keys: Sequence[str]) -> bool:
        """Remove keys from the list. Returns False if one was not on it, because the sweeper has deleted its object."""
        result = await self._session.execute(
            delete(OrphanedObject).where(OrphanedObject.storage_key.in_(keys)).returning(OrphanedObject.storage_key)
        )
        return len(result.all()) == len(keys)

    async def list_orphaned_keys(self, keys: Collection[str]) -> set[str]:
        """Return those of these keys that are on the list."""
        listed = select(OrphanedObject.storage_key).where(OrphanedObject.storage_key.in_(keys))
        return set((await self._session.scalars(listed)).all())

    async def acquire_lease(self, key: str, stale_after: timedelta) -> bool:
        """List a key that several processes may write. Returns False if its lease is younger than `stale_after`."""
        statement = insert(OrphanedObject).values(storage_key=key)
        statement = statement.on_conflict_do_update(
            index_elements=["storage_key"],
            set_={"orphaned_at": func.now()},
            where=OrphanedObject.orphaned_at < func.now() - stale_after,
        )
        return await self._session.scalar(statement.returning(OrphanedObject.storage_key)) is not None

    async def renew_lease(self, key: str) -> None:
        """Restart the lease of a key. A key that is not on the list stays off it."""
        renewed = update(OrphanedObject).where(OrphanedObject.storage_key == key).values(orphaned_at=func.now())
        await self._session.execute(renewed)

    async def lock_orphans(self, keys: Collection[str]) -> Sequence[str]:
        """Lock and return those of these keys that are on the list, except those that another transaction has locked.

        A key that is not on the list belongs to an image; a locked one may be about to.
        """
        statement = (
            select(OrphanedObject.storage_key)
            .where(OrphanedObject.storage_key.in_(keys))
            .with_for_update(skip_locked=True)
        )
        return (await self._session.scalars(statement)).all()

    async def lock_expired_orphans(self, before: datetime, limit: int) -> Sequence[str]:
        """Return up to `limit` keys listed before this time, locked against other sweepers until the commit."""
        statement = (
            select(OrphanedObject.storage_key)
            .where(OrphanedObject.orphaned_at < before)
            .order_by(OrphanedObject.orphaned_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        return (await self._session.scalars(statement)).all()
