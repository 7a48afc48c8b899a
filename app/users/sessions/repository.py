"""SQL of the sessions."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.callers import rate_limit_network
from app.db.base import utc_now
from app.db.keyset import Position, newest_first
from app.models import UserSession
from app.users.errors import SessionNotFound

# Two refreshes with one token within this time are concurrent requests of the client, and no theft.
CONCURRENT_REFRESH_WINDOW = timedelta(seconds=10)
# Of one account. No rate limit counts successful sign-ins, and a session lasts for weeks after its last refresh.
MAX_SESSIONS = 200


@dataclass(frozen=True, slots=True)
class Device:
    """The address and the user agent of a sign-in, as the list of sessions shows them."""

    address: str | None = None
    user_agent: str | None = None


class RefreshTokenReuse(Enum):
    """The kinds of authentic refresh tokens that are not the current one of an open session."""

    # The session has ended.
    ENDED = auto()
    # The previous token, within CONCURRENT_REFRESH_WINDOW.
    CONCURRENT = auto()
    # Any other token of the session: it was used before.
    REUSED = auto()


class UserSessionRepository:
    """All SQL about sign-in sessions."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(
        self,
        session_id: uuid.UUID,
        user_id: uuid.UUID,
        refresh_digest: bytes,
        lifetime: timedelta,
        device: Device = Device(),
    ) -> UserSession:
        """Insert a session that can be refreshed for `lifetime`."""
        session = UserSession(
            id=session_id,
            user_id=user_id,
            refresh_digest=refresh_digest,
            expires_at=utc_now() + lifetime,
            address=device.address,
            network=rate_limit_network(device.address),
            user_agent=device.user_agent,
        )
        self._session.add(session)
        await self._session.flush()
        await self._remove_surplus(user_id)
        return session

    async def _remove_surplus(self, user_id: uuid.UUID) -> None:
        """Delete the sessions beyond MAX_SESSIONS that were refreshed least recently."""
        newest_first = (
            select(UserSession.id).where(UserSession.user_id == user_id).order_by(UserSession.rotated_at.desc())
        )
        surplus = newest_first.offset(MAX_SESSIONS).with_for_update(skip_locked=True)
        await self._session.execute(delete(UserSession).where(UserSession.id.in_(surplus)))

    async def rotate(self, session_id: uuid.UUID, old: bytes, new: bytes, lifetime: timedelta) -> UserSession | None:
        """Replace the digest of the refresh token; None if the session is not open or `old` is not current."""
        statement = (
            update(UserSession)
            .where(UserSession.id == session_id, UserSession.refresh_digest == old, UserSession.expires_at > utc_now())
            .values(
                refresh_digest=new,
                previous_refresh_digest=old,
                rotated_at=func.clock_timestamp(),
                expires_at=utc_now() + lifetime,
            )
            .returning(UserSession)
        )
        return await self._session.scalar(statement)

    async def classify_reuse(self, session_id: uuid.UUID, presented: bytes) -> RefreshTokenReuse:
        """Classify an authentic refresh token that `rotate` has refused. An expired session counts as ended."""
        recent = UserSession.rotated_at > func.clock_timestamp() - CONCURRENT_REFRESH_WINDOW
        statement = select(UserSession.previous_refresh_digest == presented, recent).where(
            UserSession.id == session_id, UserSession.expires_at > utc_now()
        )
        row = (await self._session.execute(statement)).one_or_none()
        if row is None:
            return RefreshTokenReuse.ENDED
        return RefreshTokenReuse.CONCURRENT if all(row) else RefreshTokenReuse.REUSED

    async def find(self, session_id: uuid.UUID | None) -> UserSession | None:
        """Return the session with this id, which may have expired."""
        return await self._session.scalar(select(UserSession).where(UserSession.id == session_id))

    async def list_newest(self, user_id: uuid.UUID, after: Position | None, limit: int) -> Sequence[UserSession]:
        """Return up to `limit` open sessions of the account, newest first, after the position."""
        open_ones = select(UserSession).where(UserSession.user_id == user_id, UserSession.expires_at > utc_now())
        return (await self._session.scalars(newest_first(open_ones, UserSession, after, limit))).all()

    async def remove(self, session_id: uuid.UUID) -> None:
        """Delete a session. Its tokens are refused after the commit."""
        await self._session.execute(delete(UserSession).where(UserSession.id == session_id))

    async def remove_own(self, user_id: uuid.UUID, session_id: uuid.UUID) -> None:
        """Delete a session of this account. Raises SessionNotFound."""
        removed = (
            delete(UserSession)
            .where(UserSession.id == session_id, UserSession.user_id == user_id)
            .returning(UserSession.id)
        )
        if await self._session.scalar(removed) is None:
            raise SessionNotFound

    async def remove_others(self, user_id: uuid.UUID, kept: uuid.UUID | None) -> None:
        """Delete every session of the account except `kept`."""
        await self._session.execute(
            delete(UserSession).where(UserSession.user_id == user_id, UserSession.id.is_distinct_from(kept))
        )
