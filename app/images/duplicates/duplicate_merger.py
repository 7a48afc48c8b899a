"""The merge of duplicates: one image gets the tags of the others, which go to the trash.

It is one transaction, so either all images change or none. Locks are taken in the usual order: tags, owners, images.
"""

import uuid
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.image_audit import ImageAudit
from app.authz.policy import ensure_can_edit
from app.authz.principal import Principal
from app.authz.visibility import visibility_scope
from app.core.callers import current_caller
from app.core.errors import ValidationFailed
from app.core.fair_queue import FairQueue
from app.core.text.tag_names import MAX_TAGS_PER_IMAGE
from app.db.cache_invalidation import LISTS, image_scope, invalidates_only
from app.db.database import Database
from app.images.errors import ImageNotFound
from app.images.repository import ImageRepository, TaggedImage
from app.images.trash.repository import TrashRepository
from app.models import AuditAction, TagEventSource
from app.tags.changes.change_origin import ChangeOrigin, new_batch
from app.tags.image_tag_repository import ImageTagRepository, LockedTags
from app.tags.repository import TagRepository
from app.tags.tag_locks import with_locks


class Duplicates(NamedTuple):
    """The image to keep, and its duplicates."""

    keep: uuid.UUID
    others: Sequence[uuid.UUID]

    @property
    def all(self) -> list[uuid.UUID]:
        """All images."""
        return [self.keep, *self.others]


class MergeReport(NamedTuple):
    """The number of changed images, and the id of the change."""

    changed: int
    batch: uuid.UUID | None


class DuplicateMerger:
    """Merges duplicates for one caller. Without `has_trash`, the others are deleted permanently."""

    def __init__(self, database: Database, queue: FairQueue, audit: ImageAudit, *, has_trash: bool) -> None:
        self._database, self._queue, self._audit, self._has_trash = database, queue, audit, has_trash

    async def predict(self, duplicates: Duplicates, principal: Principal) -> MergeReport:
        """Return the report that `merge` would return now. Raises the same errors."""
        async with self._queue.enter(current_caller.get()), self._database.read_session() as session:
            await _get_editable(session, duplicates, principal)
            await _refuse_too_many_tags(session, duplicates)
            added = await TagRepository(session).list_ids(await _list_names(session, duplicates.others))
            affected = await ImageTagRepository(session).list_affected([duplicates.keep], added, [])
        return MergeReport(len(affected) + len(duplicates.others), None)

    async def merge(self, duplicates: Duplicates, principal: Principal) -> MergeReport:
        """Merge the others into the image to keep.

        Raises ImageNotFound, Forbidden, ValidationFailed if the image would have too many tags, DatabaseBusy,
        TooManyConcurrentRequests.
        """
        origin = new_batch(TagEventSource.BULK)
        async with self._queue.enter(current_caller.get()):
            # Checked before the locks too: a caller without permission waits for no lock.
            async with self._database.read_session() as session:
                kept = await _get_editable(session, duplicates, principal)
            async with self._locking(duplicates, principal, origin) as (session, locked_tags):
                await _refuse_too_many_tags(session, duplicates)
                is_tagged = await self._add_tags(session, kept, locked_tags)
                await self._remove(session, duplicates.others, principal, origin)
        return MergeReport(is_tagged + len(duplicates.others), origin.batch)

    def _locking(
        self, duplicates: Duplicates, principal: Principal, origin: ChangeOrigin
    ) -> AbstractAsyncContextManager[tuple[AsyncSession, LockedTags]]:
        """Return a transaction in which the explicit tags of the others are locked, and all images.

        Raises ImageNotFound if an image was deleted meanwhile, DatabaseBusy.
        """

        async def lock(session: AsyncSession) -> LockedTags | None:
            names = await _list_names(session, duplicates.others)
            locked_tags = await ImageTagRepository(session, origin).lock_tags(names)
            if locked_tags is None:
                return None
            await TrashRepository(session).lock_owners(duplicates.all)
            locked = await ImageRepository(session).lock_editable(duplicates.all, principal, for_deletion=True)
            _require_all(duplicates, locked)
            is_retagged = not set(await _list_names(session, duplicates.others)) <= set(names)
            return None if is_retagged else locked_tags

        return with_locks(self._database, lock)

    async def _add_tags(self, session: AsyncSession, kept: TaggedImage, locked_tags: LockedTags) -> bool:
        """Add the tags to the image to keep; return whether it changed."""
        image, image_tags = kept.image, ImageTagRepository(session)
        if not await image_tags.list_affected([image.id], locked_tags.explicit, []):
            return False
        with invalidates_only(session, LISTS, image_scope(image.id)):
            await image_tags.add_tags([image.id], locked_tags)
        names = await TagRepository(session).list_names_by_image([image.id])
        members = {"tags": kept.tags}, {"tags": names[image.id]}
        await self._audit.write(session, AuditAction.IMAGE_SET_TAGS, image, before=members[0], after=members[1])
        return True

    async def _remove(
        self, session: AsyncSession, images: Sequence[uuid.UUID], principal: Principal, origin: ChangeOrigin
    ) -> None:
        if self._has_trash:
            await TrashRepository(session).add(images, principal.id, origin.batch)
        else:
            await ImageRepository(session).remove_all(images)
        action = AuditAction.IMAGES_TRASH if self._has_trash else AuditAction.IMAGES_DELETE
        await self._audit.write_bulk(session, action, len(images), len(images), {"batch": str(origin.batch)})


async def _get_editable(session: AsyncSession, duplicates: Duplicates, principal: Principal) -> TaggedImage:
    """Return the image to keep. Raises ImageNotFound or Forbidden unless the caller may change all images."""
    tagged, scope = await ImageRepository(session).list_tagged(duplicates.all), visibility_scope(principal)
    _require_all(duplicates, [one for one, (image, _) in tagged.items() if scope.sees(image)])
    for image, _ in tagged.values():
        ensure_can_edit(principal, image)
    return tagged[duplicates.keep]


def _require_all(duplicates: Duplicates, found: Sequence[uuid.UUID]) -> None:
    """Raise ImageNotFound, with the first missing image, unless all were found."""
    missing = [one for one in duplicates.all if one not in set(found)]
    if missing:
        raise ImageNotFound(f"There is no image {missing[0]}, or the caller may not see it.")


async def _refuse_too_many_tags(session: AsyncSession, duplicates: Duplicates) -> None:
    names, present = await _list_names(session, duplicates.all), await _list_names(session, [duplicates.keep])
    # A revert can leave an image with more tags. If it gets none, it can be kept.
    if len(names) > max(MAX_TAGS_PER_IMAGE, len(present)):
        reason = f"The images have {len(names)} different tags. An image can have at most {MAX_TAGS_PER_IMAGE} tags."
        raise ValidationFailed.at(["body", "others"], reason)


async def _list_names(session: AsyncSession, images: Sequence[uuid.UUID]) -> list[str]:
    return await ImageTagRepository(session).list_explicit_names(images)
