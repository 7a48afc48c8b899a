"""Reverts of tag changes: the inverse of the selected events, not the state before them.

A revert runs in batches, each a transaction. It stores no progress: after an interruption the same request continues,
because a change that is reverted already is neither changed nor a conflict.
"""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.audit_log import AuditLog, AuditMembers
from app.authz import policy
from app.authz.principal import Principal
from app.core.callers import current_caller
from app.core.errors import DatabaseBusy
from app.core.fair_queue import FairQueue
from app.core.resource_paths import tag_path
from app.db.cache_invalidation import LISTS, image_scope, invalidates_only
from app.db.database import Database, set_lock_timeout
from app.history.revert_plan import ImageTag, RevertPlan, plan_revert
from app.history.revert_repository import EventSelection, RevertRepository
from app.models import AuditAction, TagEvent, TagEventSource, TagOperation, TagOperationKind
from app.search.errors import QueryTooBroad
from app.tags.changes.change_origin import ChangeOrigin, new_batch
from app.tags.changes.tag_change import TagChange
from app.tags.image_tag_repository import ImageTagRepository, TagOfImage

MAX_IMAGES = 1_000_000
MAX_CONFLICTS = 1000
# Images that are changed in one transaction, which takes about half a second.
BATCH = 500


@dataclass(slots=True)
class RevertResult:
    """The number of matching images, of changed ones, and the later events that were kept."""

    matched: int = 0
    changed: int = 0
    conflicts: Sequence[TagEvent] = ()
    batch: uuid.UUID | None = None


@dataclass(slots=True)
class _Progress:
    changed: set[uuid.UUID] = field(default_factory=set)
    conflicts: list[int] = field(default_factory=list)

    def add(self, plan: RevertPlan) -> None:
        self.changed |= plan.images
        self.conflicts += plan.conflicts[: MAX_CONFLICTS - len(self.conflicts)]


class RevertService:
    """Reverts tag changes for one caller."""

    def __init__(self, database: Database, audit: AuditLog, bulk_edit_queue: FairQueue) -> None:
        self._database = database
        self._audit = audit
        self._bulk_edit_queue = bulk_edit_queue

    async def revert(self, selection: EventSelection, principal: Principal) -> RevertResult:
        """Revert the selected changes of the caller's images; of all images for an admin.

        Raises AdminRequired for a merge, rename or deletion of a tag, TagExists if the former name of a tag is in use,
        QueryTooBroad, DatabaseBusy, TooManyConcurrentRequests.
        """
        # An account runs one bulk edit or revert at a time. A waiting request holds no connection.
        async with self._bulk_edit_queue.enter(current_caller.get()):
            images = await self._list_images(selection, principal)
            origin = new_batch(TagEventSource.REVERT)
            for operation in await self._list_operations(selection, principal):
                await self._revert_operation(operation, origin)
            progress = _Progress()
            for batch in _batches(images):
                async with self._database.unit_of_work() as session:
                    plan = await _revert_batch(session, batch, selection, _owner(principal), origin)
                    # The first transaction that changes images has the event of the revert.
                    if plan.images and not progress.changed:
                        after: AuditMembers = {"images": len(images), "batch": str(origin.batch)}
                        await self._audit.write(session, AuditAction.IMAGES_REVERT, "/v1/images", after=after)
                progress.add(plan)
            async with self._database.read_session() as session:
                repository = RevertRepository(session)
                conflicts = await repository.list_events(progress.conflicts)
                changed = await repository.count_changed(origin.batch) if origin.batch else 0
            return RevertResult(len(images), changed, conflicts, origin.batch)

    async def preview(self, selection: EventSelection, principal: Principal) -> RevertResult:
        """Return the result that `revert` would have, without a batch. Raises the same errors, except TagExists."""
        async with self._bulk_edit_queue.enter(current_caller.get()):
            images = await self._list_images(selection, principal)
            progress = _Progress()
            for operation in await self._list_operations(selection, principal):
                progress.changed |= await self._list_renamed_images(operation)
            for batch in _batches(images):
                async with self._database.read_session() as session:
                    progress.add(plan_revert(await RevertRepository(session).list_changes(batch, selection)))
            async with self._database.read_session() as session:
                conflicts = await RevertRepository(session).list_events(progress.conflicts)
            return RevertResult(len(images), len(progress.changed), conflicts)

    async def _list_images(self, selection: EventSelection, principal: Principal) -> Sequence[uuid.UUID]:
        async with self._database.read_session() as session:
            images = await RevertRepository(session).list_images(selection, _owner(principal), MAX_IMAGES + 1)
        if len(images) > MAX_IMAGES:
            raise QueryTooBroad(f"The changes are of more than {MAX_IMAGES} images. Use a shorter period.")
        return images

    async def _list_operations(self, selection: EventSelection, principal: Principal) -> Sequence[TagOperation]:
        """Return the operations to revert. A user who selects a period reverts none of them."""
        async with self._database.read_session() as session:
            operations = await RevertRepository(session).list_operations(selection)
        if operations and selection.batch is not None:
            policy.require_admin(principal)
        return operations if principal.is_admin else ()

    async def _revert_operation(self, operation: TagOperation, origin: ChangeOrigin) -> None:
        """Restore the tag itself. The images follow, batch by batch."""
        async with self._database.unit_of_work() as session:
            change = await TagChange.begin(session, self._audit, origin)
            is_restored = False
            if operation.kind == TagOperationKind.MERGE:
                is_restored = await change.separate(operation.tag_id)
            elif operation.kind == TagOperationKind.DELETE:
                is_restored = await RevertRepository(session).add_tag(operation.tag_id, operation.tag)
            elif await _is_renamed(session, operation):
                await change.rename(operation.new_name or "", operation.tag, origin)
            if is_restored:
                after = {"reverted": operation.kind, "batch": str(origin.batch)}
                await self._audit.write(session, AuditAction.TAG_RESTORE, tag_path(operation.tag), after=after)

    async def _list_renamed_images(self, operation: TagOperation) -> set[uuid.UUID]:
        async with self._database.read_session() as session:
            if operation.kind == TagOperationKind.RENAME and await _is_renamed(session, operation):
                return await RevertRepository(session).list_tagged_images(operation.tag_id)
        return set()


async def _is_renamed(session: AsyncSession, operation: TagOperation) -> bool:
    """Return whether the tag still has the name that a rename gave it, and had another one."""
    tag = await RevertRepository(session).find_tag(operation.tag_id)
    return tag is not None and tag.alias_of is None and tag.name == operation.new_name != operation.tag


async def _revert_batch(
    session: AsyncSession,
    images: Sequence[uuid.UUID],
    selection: EventSelection,
    owner: uuid.UUID | None,
    origin: ChangeOrigin,
) -> RevertPlan:
    """Revert the changes of some images. Raises DatabaseBusy if a tag or an image is locked by a long change.

    The images are locked first, so that no change follows the plan. The tags are locked without waiting, so this order
    cannot deadlock with the usual one.
    """
    repository, image_tags = RevertRepository(session), ImageTagRepository(session, origin)
    await set_lock_timeout(session)
    await image_tags.set_origin()
    locked = await repository.lock_images(images, owner)
    plan = plan_revert(await repository.list_changes(locked, selection))
    if not plan.images:
        return plan
    tags = await repository.restore_tags(plan.added)
    added = [_current(pair, tags) for pair in plan.added]
    kept = set(added)
    removed = [pair for pair in (TagOfImage(one.tag_id, one.image) for one in plan.removed) if pair not in kept]
    with invalidates_only(session, LISTS, *map(image_scope, plan.images)):
        await image_tags.change_explicit(sorted(plan.images), added, removed)
    return plan


def _current(pair: ImageTag, tags: dict[int, int | None]) -> TagOfImage:
    """Return the pair with the tag that stands for it today. Raises DatabaseBusy if that is being changed."""
    tag = tags[pair.tag_id]
    if tag is None:
        raise DatabaseBusy
    return TagOfImage(tag, pair.image)


def _owner(principal: Principal) -> uuid.UUID | None:
    return None if principal.is_admin else principal.id


def _batches(images: Sequence[uuid.UUID]) -> Iterator[Sequence[uuid.UUID]]:
    return (images[start : start + BATCH] for start in range(0, len(images), BATCH))
