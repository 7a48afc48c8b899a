import uuid
from datetime import timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.base import utc_now
from app.models import Session, User


class UserRepository:
    """All SQL about accounts and their sessions."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, email: str, password_hash: str) -> User:
        """Insert an account. Raises EmailTaken."""
        user = User(email=email, password=password_hash)
        self._session.add(user)
        await self._session.flush()
        await self._session.refresh(user)
        return user

    async def find_by_email(self, email: str) -> User | None:
        """Return the account with this address."""
        return await self._session.scalar(select(User).where(User.email == email))

    async def find_by_session(self, user_id: uuid.UUID, session_id: uuid.UUID) -> User | None:
        """Return the account, when this session of it is still open."""
        statement = select(User).join(Session, Session.user_id == User.id)
        return await self._session.scalar(
            statement.where(User.id == user_id, Session.id == session_id, Session.expires_at > utc_now())
        )

    async def add_session(self, user_id: uuid.UUID, refresh_digest: bytes, lifetime: timedelta) -> Session:
        """Open a session that can be refreshed for `lifetime`."""
        session = Session(user_id=user_id, refresh_digest=refresh_digest, expires_at=utc_now() + lifetime)
        self._session.add(session)
        await self._session.flush()
        return session

    async def rotate_refresh(self, old_digest: bytes, new_digest: bytes, lifetime: timedelta) -> Session | None:
        """Exchange a session's refresh token; None when no open session has the old one."""
        statement = (
            update(Session)
            .where(Session.refresh_digest == old_digest, Session.expires_at > utc_now())
            .values(refresh_digest=new_digest, expires_at=utc_now() + lifetime)
            .returning(Session)
        )
        return await self._session.scalar(statement)

    async def remove_session(self, session_id: uuid.UUID) -> None:
        """End a session; its tokens are refused from the commit on."""
        await self._session.execute(delete(Session).where(Session.id == session_id))
