"""The deletion of an image: to the trash, or permanently; and the way back from the trash."""

import contextlib
import uuid
from collections.abc import Callable, Collection
from contextlib import AbstractAsyncContextManager

from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.image_audit import ImageAudit
from app.authz.policy import ensure_can_edit
from app.authz.principal import Principal
from app.core.errors import AppError
from app.db.database import Database
from app.images.errors import NameTaken
from app.images.maintenance.orphan_cleanup import remove_orphans
from app.images.name_conflict import name_taken
from app.images.repository import ImageRepository, TaggedImage
from app.images.storage_keys import rendition_keys
from app.images.trash.repository import TrashRepository
from app.models import AuditAction
from app.storage.object_store import ObjectStore
from app.tags.repository import TagRepository
from app.tags.tag_locks import with_locks


class TrashService:
    """Deletes and restores images. Without `has_trash`, each deletion is permanent."""

    def __init__(self, database: Database, object_store: ObjectStore, audit: ImageAudit, *, has_trash: bool) -> None:
        self._database = database
        self._object_store = object_store
        self._audit = audit
        self._has_trash = has_trash

    async def delete(
        self,
        image_id: uuid.UUID,
        principal: Principal,
        precondition: Callable[[TaggedImage], None],
        *,
        permanent: bool,
    ) -> None:
        """Delete an image unless the precondition raises. Raises ImageNotFound, Forbidden, DatabaseBusy."""
        permanent = permanent or not self._has_trash
        async with self._database.unit_of_work() as session:
            images, trash = ImageRepository(session), TrashRepository(session)
            await trash.lock_owners([image_id])
            image = await images.get_for_change(image_id, principal)
            ensure_can_edit(principal, image)
            names = await TagRepository(session).list_names_by_image([image.id])
            precondition(TaggedImage(image, names[image.id]))
            if permanent:
                await images.remove(image)
            else:
                await trash.add([image.id], principal.id)
            action = AuditAction.IMAGE_DELETE if permanent else AuditAction.IMAGE_TRASH
            await self._audit.write(session, action, image, before={"name": image.name})
        if permanent:
            await self.remove_objects([image.storage_key])

    async def restore(self, image_id: uuid.UUID, principal: Principal, name: str | None) -> TaggedImage:
        """Move an image back from the trash, with a new name if one is given.

        Raises ImageNotFound, NameTaken, DatabaseBusy.
        """
        async with locking_tags(self._database, [image_id]) as (session, trash):
            images = ImageRepository(session)
            trashed = await trash.get_for_change(image_id, principal)
            if not await trash.restore([image_id], name):
                owner = await images.find_by_name(name or trashed.name)
                raise name_taken(owner, principal) if owner else NameTaken
            restored = await images.get_tagged(image_id, principal)
            name = restored.image.name
            await self._audit.write(session, AuditAction.IMAGE_RESTORE, restored.image, after={"name": name})
            return restored

    async def delete_permanently(self, image_id: uuid.UUID, principal: Principal) -> None:
        """Delete an image in the trash. Raises ImageNotFound, DatabaseBusy."""
        async with self._database.unit_of_work() as session:
            trash = TrashRepository(session)
            image = await trash.get_for_change(image_id, principal)
            await trash.remove(image)
            await self._audit.write(session, AuditAction.IMAGE_DELETE, image, before={"name": image.name})
        await self.remove_objects([image.storage_key])

    async def remove_objects(self, originals: Collection[str]) -> None:
        """Delete the objects of images that were deleted permanently; the sweeper deletes what remains.

        The keys of the thumbnails stay on the orphan list: one that is being made now is stored after this.
        """
        with contextlib.suppress(AppError):
            await self._object_store.remove([key for original in originals for key in rendition_keys(original)])
            await remove_orphans(self._database, self._object_store, originals)


def locking_tags(
    database: Database, images: Collection[uuid.UUID]
) -> AbstractAsyncContextManager[tuple[AsyncSession, TrashRepository]]:
    """Return a transaction in which the explicit tags of trashed images are locked. Raises DatabaseBusy."""

    async def lock(session: AsyncSession) -> TrashRepository | None:
        trash = TrashRepository(session)
        return trash if await trash.lock_tags(images) else None

    return with_locks(database, lock)
