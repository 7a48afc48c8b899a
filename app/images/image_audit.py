"""Writes audit events of admins' changes of other accounts' images, and of changes of many images."""

import uuid
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.audit_log import AuditLog, AuditMembers
from app.authz.policy import is_owner
from app.authz.principal import Principal
from app.authz.visibility import HasVisibility
from app.images.paths import image_path
from app.models import AuditAction

# A change of more images than this is recorded, also without an admin.
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

    async def write_bulk(self, session: AsyncSession, action: AuditAction, count: int, after: AuditMembers) -> None:
        """Add an event to the transaction if more than BULK_THRESHOLD images change."""
        if count > BULK_THRESHOLD:
            await self._audit.write(session, action, "/v1/images", after={"images": count, **after})
