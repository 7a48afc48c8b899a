"""The actions of bulk changes. Each changes a batch of images in one transaction."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.audit_log import AuditMembers
from app.audit.image_audit import ImageAudit
from app.authz.principal import Principal
from app.db.database import Database
from app.images.bulk.selection import ImageSelector, Selector, TrashSelector
from app.images.errors import ImageNotFound, NameTaken
from app.images.repository import ImageRepository
from app.images.trash.repository import TrashRepository
from app.images.trash.service import locking_tags
from app.models import AuditAction
from app.models.image import Visibility


class SkippedImage(NamedTuple):
    """An image that was not changed, and the problem type of the reason."""

    id: uuid.UUID
    reason: str


@dataclass(slots=True)
class BulkOutcome:
    """The number of changed images, and those that were not changed."""

    changed: int = 0
    skipped: list[SkippedImage] = field(default_factory=list)

    def add(self, other: "BulkOutcome") -> None:
        """Add the outcome of another batch."""
        self.changed += other.changed
        self.skipped += other.skipped


@dataclass(frozen=True, slots=True)
class BulkRequest:
    """The caller and the id of a bulk change."""

    principal: Principal
    batch: uuid.UUID
    # The number of images of all batches.
    matched: int
    audit: ImageAudit

    async def write_event(
        self, session: AsyncSession, action: AuditAction, changed: int, visibility: Visibility | None = None
    ) -> None:
        """Write the audit event of one transaction."""
        members: AuditMembers = {"batch": str(self.batch), **({"visibility": visibility} if visibility else {})}
        await self.audit.write_bulk(session, action, self.matched, changed, members)


class BulkAction(Protocol):
    """Changes images, or predicts what a change would do."""

    @property
    def batch_size(self) -> int:
        """The number of images of a transaction."""

    @property
    def selector(self) -> Selector:
        """The selector of the images that the caller may change."""

    async def predict(self, images: Sequence[uuid.UUID]) -> BulkOutcome:
        """Return the outcome of a change of these images now."""

    async def apply(self, images: Sequence[uuid.UUID], request: BulkRequest) -> BulkOutcome:
        """Change a batch of images. Raises DatabaseBusy."""


class TrashImages:
    """Moves images to the trash; without `has_trash`, it deletes them permanently."""

    batch_size = 500

    def __init__(self, database: Database, selector: ImageSelector, *, has_trash: bool) -> None:
        self._database, self.selector, self._has_trash = database, selector, has_trash

    async def predict(self, images: Sequence[uuid.UUID]) -> BulkOutcome:
        """Return the outcome: every image can be deleted."""
        return BulkOutcome(len(images))

    async def apply(self, images: Sequence[uuid.UUID], request: BulkRequest) -> BulkOutcome:
        """Delete a batch of images. Raises DatabaseBusy."""
        async with self._database.unit_of_work() as session:
            repository, trash = ImageRepository(session), TrashRepository(session)
            await trash.lock_owners(images)
            locked = await repository.lock_editable(images, request.principal, for_deletion=True)
            if self._has_trash:
                await trash.add(locked, request.principal.id, request.batch)
            else:
                await repository.remove_all(locked)
            event = AuditAction.IMAGES_TRASH if self._has_trash else AuditAction.IMAGES_DELETE
            await request.write_event(session, event, len(locked))
        return _outcome(images, locked, len(locked))


class SetVisibility:
    """Makes images public or private."""

    batch_size = 500

    def __init__(self, database: Database, selector: ImageSelector, visibility: Visibility) -> None:
        self._database, self.selector, self._visibility = database, selector, visibility

    async def predict(self, images: Sequence[uuid.UUID]) -> BulkOutcome:
        """Return the outcome: images that have the visibility do not change."""
        async with self._database.read_session() as session:
            return BulkOutcome(await ImageRepository(session).count_other_visibility(images, self._visibility))

    async def apply(self, images: Sequence[uuid.UUID], request: BulkRequest) -> BulkOutcome:
        """Change a batch of images. Raises DatabaseBusy."""
        async with self._database.unit_of_work() as session:
            repository = ImageRepository(session)
            locked = await repository.lock_editable(images, request.principal)
            changed = await repository.update_visibility(locked, self._visibility)
            await request.write_event(session, AuditAction.IMAGES_SET_VISIBILITY, changed, self._visibility)
            return _outcome(images, locked, changed)


class RestoreImages:
    """Moves images back from the trash. Of several images with one name, the last deleted is restored."""

    # All ids of a request: in another transaction, another image could get the name.
    batch_size = 1000

    def __init__(self, database: Database) -> None:
        self._database, self.selector = database, TrashSelector(database)

    async def predict(self, images: Sequence[uuid.UUID]) -> BulkOutcome:
        """Return the outcome: images whose names are taken stay in the trash."""
        async with self._database.read_session() as session:
            taken = await TrashRepository(session).list_with_taken_names(images)
        return BulkOutcome(len(images) - len(taken), [SkippedImage(one, NameTaken.slug) for one in sorted(taken)])

    async def apply(self, images: Sequence[uuid.UUID], request: BulkRequest) -> BulkOutcome:
        """Restore a batch of images. Raises DatabaseBusy."""
        async with locking_tags(self._database, images) as (session, trash):
            locked = [image.id for image in await trash.lock_images(images, request.principal)]
            restored = set(await trash.restore(locked))
            await request.write_event(session, AuditAction.IMAGES_RESTORE, len(restored))
        outcome = _outcome(images, locked, len(restored))
        outcome.skipped += [SkippedImage(one, NameTaken.slug) for one in locked if one not in restored]
        return outcome


def _outcome(images: Sequence[uuid.UUID], locked: Sequence[uuid.UUID], changed: int) -> BulkOutcome:
    """Return the outcome for images of which those that were not locked do not exist any more."""
    found = set(locked)
    return BulkOutcome(changed, [SkippedImage(one, ImageNotFound.slug) for one in images if one not in found])
