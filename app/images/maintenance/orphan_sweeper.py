"""Deletes the objects that no committed image owns, once their grace period is over."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import NamedTuple

from app.core.concurrency import repeat
from app.core.observability.logging import get_logger
from app.core.settings import ImageSettings
from app.db.base import utc_now
from app.db.database import Database
from app.images.maintenance.orphan_repository import OrphanRepository
from app.images.upload.idempotency_repository import IdempotencyRepository
from app.storage.object_store import ObjectStore

logger = get_logger(__name__)

BATCH = 500


class _Batch(NamedTuple):
    """The keys of objects that were removed, and of those that the store would not remove."""

    removed: list[str]
    refused: list[str]


class OrphanSweeper:
    """Deletes the objects on the orphan list; safe to run in many processes at once."""

    def __init__(self, database: Database, object_store: ObjectStore, settings: ImageSettings) -> None:
        self._database = database
        self._object_store = object_store
        self._grace = timedelta(seconds=settings.orphan_grace_seconds)
        self._interval = settings.sweep_interval_seconds

    async def run_forever(self) -> None:
        """Sweep again and again; a backend that is down only postpones it."""
        await repeat(self._run_once, self._interval, "sweeper")

    async def _run_once(self) -> None:
        await self.sweep()
        async with self._database.unit_of_work() as session:
            await IdempotencyRepository(session).remove_expired()

    async def sweep(self) -> int:
        """Delete the objects that are past their grace period; return their number.

        An object that the store refuses to remove stays listed for another grace period and delays no other object.
        Raises when a backend does not respond.
        """
        before = utc_now() - self._grace
        removed = refused = 0
        while batch := await self._sweep_batch(before):
            removed += len(batch.removed)
            refused += len(batch.refused)
            if not batch.removed:
                # The refused objects are tried in the next round, even if the clock of the database is wrong.
                break
        if refused:
            logger.warning("object store refused to delete objects", objects=refused)
        return removed

    async def _sweep_batch(self, before: datetime) -> _Batch | None:
        # The rows stay locked during the deletion. An upload that commits now waits, and finds its key removed.
        async with self._database.unit_of_work() as session:
            repository = OrphanRepository(session)
            keys = await repository.lock_expired_orphans(before, BATCH)
            if not keys:
                return None
            await self._abort_uploads(set(keys))
            refused = await self._object_store.remove(keys)
            batch = _Batch([key for key in keys if key not in refused], sorted(refused))
            await repository.unmark_orphaned(batch.removed)
            if refused:
                # Their grace period begins anew: what a store refuses now (retention, a policy) it may give up later.
                await repository.mark_orphaned(batch.refused)
        return batch

    async def _abort_uploads(self, keys: Collection[str]) -> None:
        """Drop the parts of uploads that were killed before they were objects."""
        for upload in await self._object_store.list_uploads():
            if upload.key in keys:
                await self._object_store.abort(upload.key, upload.upload_id)
