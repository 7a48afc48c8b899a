"""Objects that are made of an original when they are first asked for, once, and kept beside it in the object store.

The orphan list also ensures "once" across processes: the process that lists the key makes the object, and
the others wait for it. The maker renews its lease while it works; the lease of a dead maker expires after STALE.
"""

import asyncio
import contextlib
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from app.core.concurrency import SingleFlight
from app.core.errors import AppError, StorageUnavailable
from app.db.database import Database
from app.images.errors import ImageNotFound
from app.images.maintenance.orphan_cleanup import remove_orphans
from app.images.maintenance.orphan_repository import OrphanRepository
from app.images.repository import ImageRepository
from app.models import Image
from app.storage.object_store import ObjectStore
from app.storage.timeouts import ObjectMissing

STALE = timedelta(seconds=10)
RENEW_SECONDS = 3.0
# For what another worker makes; its making may wait for a decoder first.
WAIT_SECONDS = 60.0
POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class RenditionSource:
    """The fields of an image that are needed after its row was read."""

    id: uuid.UUID
    storage_key: str
    content_type: str
    size: int

    @classmethod
    def of(cls, image: Image) -> Self:
        """Return the fields of a row."""
        return cls(image.id, image.storage_key, image.content_type, image.size)


class Renditions:
    """Creates renditions on demand."""

    def __init__(self, database: Database, object_store: ObjectStore, flights: SingleFlight[None]) -> None:
        self._database = database
        self._object_store = object_store
        self._flights = flights

    async def ensure(self, original: RenditionSource, key: str, make: Callable[[], Awaitable[object]]) -> None:
        """Ensure that the object exists; `make` stores it under `key` if it is missing.

        Raises StorageUnavailable, and what `make` raises; ImageNotFound when the image was deleted meanwhile.
        """
        await self._flights.run(key, lambda: self._ensure(original, key, make))

    async def find_size(self, key: str) -> int | None:
        """Return how many bytes the store has under `key`, None where it has nothing."""
        try:
            return await self._object_store.size_of(key)
        except ObjectMissing:
            return None

    async def _ensure(self, original: RenditionSource, key: str, make: Callable[[], Awaitable[object]]) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            async with self._database.unit_of_work() as session:
                mine = await OrphanRepository(session).acquire_lease(key, STALE)
            # The previous holder of the key may have just finished.
            if await self.find_size(key) is not None:
                return await self._keep(original, key) if mine else None
            if mine:
                return await self._make(original, key, make)
            await asyncio.sleep(POLL_SECONDS)
        raise StorageUnavailable("The image is not ready yet")

    async def _make(self, original: RenditionSource, key: str, make: Callable[[], Awaitable[object]]) -> None:
        renewing = asyncio.create_task(self._renew(key))
        try:
            await make()
        except BaseException:
            # Also when this worker ends: the others would wait for STALE.
            await asyncio.shield(remove_orphans(self._database, self._object_store, [key]))
            raise
        finally:
            renewing.cancel()
        await self._keep(original, key)

    async def _renew(self, key: str) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            # With the database down others may make it as well, which does no harm.
            with contextlib.suppress(AppError):
                async with self._database.unit_of_work() as session:
                    await OrphanRepository(session).renew_lease(key)

    async def _keep(self, original: RenditionSource, key: str) -> None:
        async with self._database.unit_of_work() as session:
            orphans = OrphanRepository(session)
            if alive := await ImageRepository(session).lock_if_exists(original.id):
                await orphans.unmark_orphaned([key])
            else:
                # Deleted meanwhile: what was just stored must go too.
                await orphans.mark_orphaned([key])
        if not alive:
            raise ImageNotFound
