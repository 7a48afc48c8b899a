"""Reverts of tag changes: the inverse of the selected events, not the state before them.

A revert runs in batches, each a transaction. It stores no progress: after an interruption the same request continues,
because a change that is reverted already is neither changed nor a conflict.
"""

import asyncio
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.audit_log import AuditLog, AuditMembers
from app.authz import policy
from app.authz.principal import Principal
from app.core.callers import current_caller
from app.core.errors import DatabaseBusy
from app.core.fair_queue import FairQueue
from app.core.text.tag_names import MAX_TAGS_PER_IMAGE
from app.db.cache_invalidation import LISTS, image_scope, invalidates_only
from app.db.database import Database, set_lock_timeout
from app.history.operation_revert import OperationRevert
from app.history.revert_plan import ImageTag, RevertPlan, limit_tags, plan_revert
from app.history.revert_repository import EventSelection, RevertRepository
from app.models import AuditAction, TagEvent, TagEventSource, TagOperation
from app.search.errors import QueryTooBroad
from app.tags.changes.change_origin import ChangeOrigin, new_batch
from app.tags.changes.link_plan import UnrestoredItem, UnrestoredReason
from app.tags.image_tag_repository import ImageTagRepository, TagOfImage

MAX_IMAGES = 1_000_000
MAX_CONFLICTS = 1000
# Images that are changed in one transaction. The plan of 3,000 changes occupies the event loop for 7 ms.
BATCH = 250
# Between two batches, other requests have the database for half as long as a batch took, at most this long.
MAX_PAUSE_SECONDS = 0.05


@dataclass(slots=True)
class RevertResult:
    """The number of matching images, of changed ones, the later events that were kept, and the parts not restored."""

    matched: int = 0
    changed: int = 0
    conflicts: Sequence[TagEvent] = ()
    unrestored: Sequence[UnrestoredItem] = ()
    batch: uuid.UUID | None = None


@dataclass(slots=True)
class _Progress:
    changed: set[uuid.UUID] = field(default_factory=set)
    conflicts: list[int] = field(default_factory=list)
    unrestored: list[UnrestoredItem] = field(default_factory=list)

    def add(self, plan: RevertPlan) -> None:
        self.changed |= plan.images
        self.conflicts += plan.conflicts[: MAX_CONFLICTS - len(self.conflicts)]
        self.add_unrestored(
            UnrestoredItem(pair.tag, UnrestoredReason.TOO_MANY_TAGS, image=pair.image) for pair in plan.excess
        )

    def add_unrestored(self, items: Iterable[UnrestoredItem]) -> None:
        self.unrestored += islice(items, MAX_CONFLICTS - len(self.unrestored))


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
            progress = _Progress()
            for operation in await self._list_operations(selection, principal):
                async with self._database.unit_of_work() as session:
                    progress.add_unrestored(await OperationRevert(session, self._audit, operation, origin).run())
            for batch in _batches(images):
                started = time.monotonic()
                async with self._database.unit_of_work() as session:
                    plan = await _revert_batch(session, batch, selection, _owner(principal), origin)
                    # The first transaction that changes images has the event of the revert.
                    if plan.images and not progress.changed:
                        after: AuditMembers = {"images": len(images), "batch": str(origin.batch)}
                        await self._audit.write(session, AuditAction.IMAGES_REVERT, "/v1/images", after=after)
                progress.add(plan)
                await asyncio.sleep(min((time.monotonic() - started) / 2, MAX_PAUSE_SECONDS))
            async with self._database.read_session() as session:
                repository = RevertRepository(session)
                conflicts = await repository.list_events(progress.conflicts)
                changed = await repository.count_changed(origin.batch) if origin.batch else 0
            return RevertResult(len(images), changed, conflicts, progress.unrestored, origin.batch)

    async def preview(self, selection: EventSelection, principal: Principal) -> RevertResult:
        """Return the result that `revert` would have, without a batch. Raises the same errors, except TagExists."""
        async with self._bulk_edit_queue.enter(current_caller.get()):
            images = await self._list_images(selection, principal)
            progress = _Progress()
            await self._try_operations(await self._list_operations(selection, principal), progress)
            for batch in _batches(images):
                async with self._database.read_session() as session:
                    progress.add(await _plan_batch(RevertRepository(session), batch, selection))
            async with self._database.read_session() as session:
                conflicts = await RevertRepository(session).list_events(progress.conflicts)
            return RevertResult(len(images), len(progress.changed), conflicts, progress.unrestored)

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

    async def _try_operations(self, operations: Sequence[TagOperation], progress: _Progress) -> None:
        """Revert operations in a transaction that is rolled back, and add what they change."""
        if not operations:
            return
        origin = new_batch(TagEventSource.REVERT)
        async with self._database.unit_of_work() as session:
            with invalidates_only(session):
                for operation in operations:
                    progress.add_unrestored(await OperationRevert(session, self._audit, operation, origin).run())
                if origin.batch is not None:
                    progress.changed |= await RevertRepository(session).list_changed(origin.batch)
                await session.rollback()


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
    plan = await _plan_batch(repository, locked, selection)
    if not plan.images:
        return plan
    tags = await repository.restore_tags(plan.added)
    added = [_current(pair, tags) for pair in plan.added]
    kept = set(added)
    removed = [pair for pair in (TagOfImage(one.tag_id, one.image) for one in plan.removed) if pair not in kept]
    with invalidates_only(session, LISTS, *map(image_scope, plan.images)):
        await image_tags.change_explicit(sorted(plan.images), added, removed)
    return plan


async def _plan_batch(
    repository: RevertRepository, images: Sequence[uuid.UUID], selection: EventSelection
) -> RevertPlan:
    plan = plan_revert(await repository.list_changes(images, selection))
    if plan.added:
        limit_tags(plan, await repository.count_explicit(plan.images), MAX_TAGS_PER_IMAGE)
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
