"""Removing objects that no image owns, at once rather than at the sweeper's next round."""

import contextlib
from collections.abc import Collection

from app.core.errors import AppError
from app.db.database import Database
from app.images.maintenance.orphan_repository import OrphanRepository
from app.storage.object_store import ObjectStore


async def remove_orphans(database: Database, object_store: ObjectStore, keys: Collection[str]) -> None:
    """Delete those of these objects whose keys are on the orphan list; after a failure they stay listed.

    The list decides, not the caller: a caller that lost its connection during the commit does not know whether the
    image exists.
    """
    if not keys:
        return
    with contextlib.suppress(AppError):
        async with database.unit_of_work() as session:
            repository = OrphanRepository(session)
            if listed := await repository.lock_orphans(keys):
                refused = await object_store.remove(listed)
                await repository.unmark_orphaned([key for key in listed if key not in refused])
