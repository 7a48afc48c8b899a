"""Writes audit events of admins' changes of other accounts' images, and of bulk changes."""

import uuid
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.audit_log import AuditLog, AuditMembers
from app.authz.policy import is_owner
from app.authz.principal import Principal
from app.authz.visibility import HasVisibility
from app.core.resource_paths import image_path
from app.models import AuditAction

# A bulk change of more images than this is recorded, also if no admin makes it.
BULK_THRESHOLD = 100


class AuditedImage(HasVisibility, Protocol):
    """An image, in the trash or not."""

    @property
    def id(self) -> uuid.UUID:
        """The id of the image."""


class ImageAudit:
    """Writes the audit events of one caller."""

    def __init__(self, audit: AuditLog, principal: Principal) -> None:
        self._audit, self._principal = audit, principal

    async def write(
        self,
        session: AsyncSession,
        action: AuditAction,
        image: AuditedImage,
        *,
        before: AuditMembers | None = None,
        after: AuditMembers | None = None,
    ) -> None:
        """Add an event to the transaction if the caller changes the image as an admin, not as its owner."""
        if self._principal.is_admin and not is_owner(self._principal, image):
            await self._audit.write(session, action, image_path(image.id), before=before, after=after)

    async def write_bulk(
        self, session: AsyncSession, action: AuditAction, total: int, changed: int, after: AuditMembers
    ) -> None:
        """Add an event if the transaction changes images, and is a part of a large change or of one by an admin.

        `total` is the number of images of the whole change.
        """
        if changed and (total > BULK_THRESHOLD or self._principal.is_admin):
            await self._audit.write(session, action, "/v1/images", after={"images": changed, **after})
