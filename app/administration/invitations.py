"""Creates and revokes invitations, which admins give to new users."""

import uuid
from datetime import datetime, timedelta

from app.administration.errors import TooManyInvitations
from app.audit.audit_log import AuditLog, AuditMembers
from app.core.errors import AdminRequired
from app.core.resource_paths import invitation_path
from app.core.security import digest_token, new_opaque_token
from app.db.base import utc_now
from app.db.database import Database
from app.models import AuditAction, Invitation, User
from app.users.accounts.repository import UserRepository
from app.users.invitation_repository import InvitationRepository

DEFAULT_LIFETIME = timedelta(days=7)
# Of one admin, not used yet.
MAX_INVITATIONS = 500


class Invitations:
    """The use cases of invitations."""

    def __init__(self, database: Database, audit: AuditLog) -> None:
        self._database, self._audit = database, audit

    async def create(self, admin: User, email: str | None, expires_at: datetime | None) -> tuple[Invitation, str]:
        """Return the stored row and its code; only the address `email` can use it, unless that is None.

        Raises TooManyInvitations, AdminRequired.
        """
        code = new_opaque_token()
        expires_at = expires_at or utc_now() + DEFAULT_LIFETIME
        async with self._database.unit_of_work() as session:
            # The row is locked: a demotion that commits later also deletes this invitation.
            author = await UserRepository(session).get_for_change(admin.id)
            if not author.is_admin or author.disabled:
                raise AdminRequired
            invitations = InvitationRepository(session)
            if await invitations.count(author.id) >= MAX_INVITATIONS:
                raise TooManyInvitations(f"You have {MAX_INVITATIONS} unused invitations. Withdraw some first.")
            invitation = await invitations.add(author.id, digest_token(code), email, expires_at)
            members: AuditMembers = {"expires_at": expires_at.isoformat(), "has_email": email is not None}
            target = invitation_path(invitation.id)
            await self._audit.write(session, AuditAction.INVITATION_CREATE, target, after=members)
            return invitation, code

    async def revoke(self, invitation_id: uuid.UUID) -> None:
        """Delete an unused invitation. Raises InvitationNotFound."""
        async with self._database.unit_of_work() as session:
            await InvitationRepository(session).remove(invitation_id)
            await self._audit.write(session, AuditAction.INVITATION_REVOKE, invitation_path(invitation_id))
