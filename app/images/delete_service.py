"""Deletion: where rows and bytes end together."""

import contextlib
import uuid
from collections.abc import Callable

from app.authz.policy import ensure_can_edit
from app.authz.principal import Principal
from app.core.errors import AppError
from app.http.container import Services
from app.images.maintenance.orphan_cleanup import remove_orphans
from app.images.repository import ImageRepository
from app.images.schemas import ImageRead, to_read
from app.images.storage_keys import rendition_keys
from app.tags.repository import TagRepository


class DeleteService:
    """What touches both the rows and the bytes of images that are there."""

    def __init__(self, services: Services) -> None:
        self._database = services.database
        self._object_store = services.object_store

    async def delete(
        self, image_id: uuid.UUID, principal: Principal, precondition: Callable[[ImageRead], None]
    ) -> None:
        """Delete an image unless the precondition raises. Raises ImageNotFound, Forbidden."""
        async with self._database.unit_of_work() as session:
            repository = ImageRepository(session)
            image = await repository.get_for_change(image_id, principal)
            ensure_can_edit(principal, image)
            names = await TagRepository(session).list_names_by_image([image.id])
            precondition(to_read(image, names[image.id]))
            await repository.remove(image)
        # The thumbnails stay listed: one may be made at this moment, and be stored after this.
        with contextlib.suppress(AppError):
            await self._object_store.remove(rendition_keys(image.storage_key))
            await remove_orphans(self._database, self._object_store, [image.storage_key])
