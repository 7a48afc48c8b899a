"""Creates invitations: their codes, limits and creators."""

from datetime import timedelta

from app.administration.errors import TooManyInvitations
from app.administration.schemas import InvitationCreate
from app.core.errors import AdminRequired
from app.core.security import digest_token, new_opaque_token
from app.db.base import utc_now
from app.db.database import Database
from app.models import Invitation, User
from app.users.accounts.repository import UserRepository
from app.users.invitation_repository import InvitationRepository

DEFAULT_LIFETIME = timedelta(days=7)
# Of one admin, not used yet.
MAX_INVITATIONS = 500


class Invitations:
    """Use cases of invitations."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, admin: User, body: InvitationCreate) -> tuple[Invitation, str]:
        """Return the stored row and its code. Raises TooManyInvitations, AdminRequired."""
        code = new_opaque_token()
        expires_at = body.expires_at or utc_now() + DEFAULT_LIFETIME
        async with self._database.unit_of_work() as session:
            # With the row locked: a demotion that commits meanwhile also ends this invitation.
            author = await UserRepository(session).get_for_change(admin.id)
            if not author.is_admin or author.disabled:
                raise AdminRequired
            invitations = InvitationRepository(session)
            if await invitations.count(author.id) >= MAX_INVITATIONS:
                raise TooManyInvitations(f"You have {MAX_INVITATIONS} unused invitations. Withdraw some first.")
            return await invitations.add(author.id, digest_token(code), body.email, expires_at), code
