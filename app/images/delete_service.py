"""The deletion of an image: its row, then its objects."""

import contextlib
import uuid
from collections.abc import Callable

from app.authz.policy import ensure_can_edit
from app.authz.principal import Principal
from app.core.errors import AppError
from app.db.database import Database
from app.images.maintenance.orphan_cleanup import remove_orphans
from app.images.repository import ImageRepository, TaggedImage
from app.images.storage_keys import rendition_keys
from app.storage.object_store import ObjectStore
from app.tags.repository import TagRepository


class DeleteService:
    """Deletes images and their objects."""

    def __init__(self, database: Database, object_store: ObjectStore) -> None:
        self._database = database
        self._object_store = object_store

    async def delete(
        self, image_id: uuid.UUID, principal: Principal, precondition: Callable[[TaggedImage], None]
    ) -> None:
        """Delete an image unless the precondition raises. Raises ImageNotFound, Forbidden."""
        async with self._database.unit_of_work() as session:
            repository = ImageRepository(session)
            image = await repository.get_for_change(image_id, principal)
            ensure_can_edit(principal, image)
            names = await TagRepository(session).list_names_by_image([image.id])
            precondition(TaggedImage(image, names[image.id]))
            await repository.remove(image)
        # The thumbnails stay on the orphan list: one that is being made now is stored after this.
        with contextlib.suppress(AppError):
            await self._object_store.remove(rendition_keys(image.storage_key))
            await remove_orphans(self._database, self._object_store, [image.storage_key])
