"""The tags of images: changes of one image, and bulk edits.

Tags are locked before images, as everywhere (`app.tags.image_tag_repository`).
"""

import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.image_audit import ImageAudit
from app.authz.policy import can_edit, ensure_can_edit, ensure_can_tag
from app.authz.principal import Principal
from app.authz.visibility import private_owner
from app.core.callers import current_caller
from app.core.errors import ValidationFailed
from app.core.fair_queue import FairQueue
from app.db.cache_invalidation import LISTS, image_scope, invalidates_only
from app.db.database import Database
from app.images.bulk.selection import ImageSelector, Selection
from app.images.repository import ImageRepository, TaggedImage
from app.models import AuditAction, Image, TagEventSource
from app.tags.changes.change_origin import BY_HAND, ChangeOrigin, new_batch
from app.tags.image_tag_repository import ImageTagRepository, LockedTags
from app.tags.repository import TagRepository
from app.tags.tag_creator import TagCreator
from app.tags.tag_locks import with_locked_tags

BULK_BATCH = 500

Rule = Callable[[Principal, Image], None]
# Raises if the state of the image is not the one that the client expects.
Precondition = Callable[[TaggedImage], None]
Change = Callable[[ImageTagRepository, Image, LockedTags], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class BulkEdit:
    """Tags to add to and to remove from selected images."""

    selection: Selection
    add: Sequence[str]
    remove: Sequence[str]


class BulkCounts(NamedTuple):
    """The number of matching images that the caller may change, and of those that change; and the id of the change."""

    matched: int
    changed: int
    batch: uuid.UUID | None = None


class ImageTagsService:
    """Changes the tags of images for one caller."""

    def __init__(
        self,
        database: Database,
        selector: ImageSelector,
        tag_creator: TagCreator,
        bulk_edit_queue: FairQueue,
        audit: ImageAudit,
    ) -> None:
        self._database = database
        self._selector = selector
        self._tag_creator = tag_creator
        self._audit = audit
        self._bulk_edit_queue = bulk_edit_queue

    async def replace_tags(
        self, image_id: uuid.UUID, names: Sequence[str], principal: Principal, precondition: Precondition
    ) -> TaggedImage:
        """Replace the explicit tags of an image. Raises Forbidden, ImageNotFound, DatabaseBusy, ValidationFailed."""

        async def replace(image_tags: ImageTagRepository, image: Image, locked_tags: LockedTags) -> None:
            await image_tags.replace_tags(image.id, locked_tags)

        return await self._change(image_id, names, principal, ensure_can_edit, precondition, replace)

    async def add_tags(
        self,
        image_id: uuid.UUID,
        names: Sequence[str],
        principal: Principal,
        precondition: Precondition,
        origin: ChangeOrigin = BY_HAND,
    ) -> TaggedImage:
        """Add explicit tags to an image. Raises Forbidden, ImageNotFound, DatabaseBusy, ValidationFailed."""

        async def add(image_tags: ImageTagRepository, image: Image, locked_tags: LockedTags) -> None:
            if can_edit(principal, image):
                await image_tags.add_tags([image.id], locked_tags)
            else:
                await image_tags.add_tags_as_guest(image.id, locked_tags)

        return await self._change(image_id, names, principal, ensure_can_tag, precondition, add, origin)

    async def remove_tag(
        self, image_id: uuid.UUID, name: str, principal: Principal, precondition: Precondition
    ) -> TaggedImage:
        """Remove an explicit tag. Raises Forbidden, ImageNotFound, DatabaseBusy, TagNotFound, TagImplied."""

        async def remove(image_tags: ImageTagRepository, image: Image, _locked_tags: LockedTags) -> None:
            await image_tags.remove_tag(image.id, name)

        return await self._change(image_id, [], principal, ensure_can_edit, precondition, remove)

    async def edit_in_bulk(self, edit: BulkEdit, principal: Principal) -> BulkCounts:
        """Change the tags of all matching images, or of none.

        Raises ValidationFailed, InvalidQuery, QueryTooBroad, QueryTimeout, TooManyConcurrentRequests, DatabaseBusy.
        """
        # An account runs one bulk edit at a time. A waiting request holds no connection.
        async with self._bulk_edit_queue.enter(current_caller.get()):
            images = await self._list_matches(edit, principal)
            changed, origin = 0, new_batch(TagEventSource.BULK)
            locks = with_locked_tags(edit.add, self._tag_creator, principal.id, origin=origin)
            async with locks as (session, locked_tags):
                removed = await TagRepository(session).list_ids(edit.remove)
                for start in range(0, len(images), BULK_BATCH):
                    batch = images[start : start + BULK_BATCH]
                    changed += await _edit_batch(session, batch, locked_tags, removed)
                members = {"added": edit.add, "removed": edit.remove}
                await self._audit.write_bulk(session, AuditAction.IMAGES_SET_TAGS, changed, changed, members)
            return BulkCounts(len(images), changed, origin.batch)

    async def count_bulk_edit(self, edit: BulkEdit, principal: Principal) -> BulkCounts:
        """Count the images that `edit_in_bulk` would change. Raises the same errors."""
        async with self._bulk_edit_queue.enter(current_caller.get()):
            images = await self._list_matches(edit, principal)
            return BulkCounts(len(images), await self._count_affected(images, edit))

    async def _change(
        self,
        image_id: uuid.UUID,
        names: Sequence[str],
        principal: Principal,
        rule: Rule,
        precondition: Precondition,
        change: Change,
        origin: ChangeOrigin = BY_HAND,
    ) -> TaggedImage:
        # Checked before the locks too: a caller without permission creates no tags and waits for no lock.
        async with self._database.read_session() as session:
            image = await ImageRepository(session).get_visible(image_id, principal)
            rule(principal, image)
        owner = private_owner(image.visibility, image.uploaded_by)
        async with with_locked_tags(names, self._tag_creator, owner, origin=origin) as (session, locked_tags):
            image = await ImageRepository(session).get_for_change(image_id, principal)
            rule(principal, image)
            before = await _load_tags(session, image)
            precondition(before)
            with invalidates_only(session, LISTS, image_scope(image.id)):
                await change(ImageTagRepository(session), image, locked_tags)
            after = await _load_tags(session, image)
            members = {"tags": before.tags}, {"tags": after.tags}
            await self._audit.write(session, AuditAction.IMAGE_SET_TAGS, image, before=members[0], after=members[1])
            return after

    async def _list_matches(self, edit: BulkEdit, principal: Principal) -> list[uuid.UUID]:
        await self._refuse_contradiction(edit)
        return await self._selector.list_matches(edit.selection, principal)

    async def _refuse_contradiction(self, edit: BulkEdit) -> None:
        """Raise ValidationFailed if a tag is to be added and removed, under the same name or under an alias."""
        if not edit.add or not edit.remove:
            return
        async with self._database.read_session() as session:
            ids = await TagRepository(session).list_ids_by_name([*edit.add, *edit.remove])
        added = {ids.get(name, name) for name in edit.add}
        for name in edit.remove:
            if ids.get(name, name) in added:
                raise ValidationFailed.at(["body", "remove"], f"A tag cannot be both added and removed: {name}.")

    async def _count_affected(self, images: list[uuid.UUID], edit: BulkEdit) -> int:
        async with self._database.search_session() as session:
            tags = TagRepository(session)
            added, removed = await tags.list_by_any_name(edit.add), await tags.list_ids(edit.remove)
            if set(edit.add) - added.keys():
                return len(images)
            added_ids = list({tag.id for tag in added.values()})
            return len(await ImageTagRepository(session).list_affected(images, added_ids, removed))


async def _load_tags(session: AsyncSession, image: Image) -> TaggedImage:
    return TaggedImage(image, (await TagRepository(session).list_names_by_image([image.id]))[image.id])


async def _edit_batch(
    session: AsyncSession, images: list[uuid.UUID], locked_tags: LockedTags, removed: list[int]
) -> int:
    """Change the tags of some images; return the number of images that changed."""
    image_tags = ImageTagRepository(session)
    locked = await image_tags.lock_images(images)
    affected = await image_tags.list_affected(locked, locked_tags.explicit, removed)
    if affected:
        with invalidates_only(session, LISTS, *map(image_scope, affected)):
            if removed:
                await image_tags.remove_tags(affected, removed)
            await image_tags.add_tags(affected, locked_tags)
    return len(affected)
