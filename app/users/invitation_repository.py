"""SQL of the invitations."""

import uuid
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, and_, delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.keyset import Position, newest_first
from app.models import Invitation
from app.users.errors import InvitationNotFound


class InvitationRepository:
    """All SQL about invitations."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, created_by: uuid.UUID, digest: bytes, email: str | None, expires_at: datetime) -> Invitation:
        """Insert an invitation."""
        invitation = Invitation(created_by=created_by, code_digest=digest, email=email, expires_at=expires_at)
        self._session.add(invitation)
        await self._session.flush()
        await self._session.refresh(invitation)
        return invitation

    async def is_valid(self, digest: bytes, email: str) -> bool:
        """Return whether the invitation can be used for this address now."""
        return await self._session.scalar(select(Invitation.id).where(_is_valid(digest, email))) is not None

    async def remove_valid(self, digest: bytes, email: str) -> uuid.UUID | None:
        """Delete the invitation if it can be used for this address now; return its id.

        Of two transactions, one gets None.
        """
        valid = delete(Invitation).where(_is_valid(digest, email)).returning(Invitation.id)
        return await self._session.scalar(valid)

    async def count(self, created_by: uuid.UUID) -> int:
        """Return the number of unused invitations of this admin."""
        return await self._session.scalar(select(func.count()).where(Invitation.created_by == created_by)) or 0

    async def list_newest(self, after: Position | None, limit: int) -> Sequence[Invitation]:
        """Return up to `limit` invitations that have not expired, newest first, after the position."""
        alive = select(Invitation).where(Invitation.expires_at > func.now())
        return (await self._session.scalars(newest_first(alive, Invitation, after, limit))).all()

    async def remove(self, invitation_id: uuid.UUID) -> None:
        """Delete an invitation. Raises InvitationNotFound."""
        removed = delete(Invitation).where(Invitation.id == invitation_id).returning(Invitation.id)
        if await self._session.scalar(removed) is None:
            raise InvitationNotFound

    async def remove_created_by(self, created_by: uuid.UUID) -> None:
        """Delete all invitations of an admin."""
        await self._session.execute(delete(Invitation).where(Invitation.created_by == created_by))


def _is_valid(digest: bytes, email: str) -> ColumnElement[bool]:
    return and_(
        Invitation.code_digest == digest,
        or_(Invitation.email.is_(None), func.lower(Invitation.email) == email.lower()),
        Invitation.expires_at > func.now(),
    )
