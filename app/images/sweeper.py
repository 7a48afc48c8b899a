"""Deletes the objects that no committed image owns, once their grace is over."""

from collections.abc import Collection
from datetime import timedelta

from app.core.periodic import repeat
from app.core.settings import Settings
from app.db.base import utc_now
from app.db.session import Database
from app.images.idempotency import remove_expired_keys
from app.images.repository import ImageRepository
from app.storage.object_store import ObjectStore

BATCH = 500


class Sweeper:
    """Works through the list of doomed objects; safe to run in many processes at once."""

    def __init__(self, database: Database, object_store: ObjectStore, settings: Settings) -> None:
        self._database = database
        self._object_store = object_store
        self._grace = timedelta(seconds=settings.doomed_grace_seconds)
        self._interval = settings.sweep_interval_seconds

    async def run_forever(self) -> None:
        """Sweep again and again; a backend that is down only postpones it."""
        await repeat(self._run_once, self._interval, "sweeper")

    async def _run_once(self) -> None:
        await self.sweep()
        async with self._database.unit_of_work() as session:
            await remove_expired_keys(session)

    async def sweep(self) -> int:
        """Delete what is past its grace; return how many objects that were. Raises when a backend does not answer."""
        removed = 0
        while batch := await self._sweep_batch():
            removed += batch
        return removed

    async def _sweep_batch(self) -> int:
        # The rows stay locked while the objects go: an upload that commits just now waits, and finds its key gone.
        async with self._database.unit_of_work() as session:
            repository = ImageRepository(session)
            keys = await repository.lock_doomed(utc_now() - self._grace, BATCH)
            if keys:
                await self._abort_uploads(set(keys))
                await self._object_store.remove(keys)
                await repository.spare(keys)
        return len(keys)

    async def _abort_uploads(self, keys: Collection[str]) -> None:
        """Drop the parts of uploads that were killed before they were objects."""
        for upload in await self._object_store.list_uploads():
            if upload.key in keys:
                await self._object_store.abort(upload.key, upload.upload_id)
