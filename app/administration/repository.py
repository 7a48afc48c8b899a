import uuid
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import LastAdmin, UserNotFound
from app.models import ApiKey, Image, Session, User


class AccountSummary(NamedTuple):
    """What an account has stored, and when one of its credentials was last used."""

    images: int
    bytes: int
    last_seen_at: datetime | None


class AccountRepository:
    """The SQL of account administration."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, user_id: uuid.UUID) -> User:
        """Return the account. Raises UserNotFound."""
        user = await self._session.get(User, user_id)
        if user is None:
            raise UserNotFound
        return user

    async def lock(self, user_id: uuid.UUID) -> User:
        """Return the account with its row locked until the commit. Raises UserNotFound."""
        user = await self._session.scalar(select(User).where(User.id == user_id).with_for_update(key_share=True))
        if user is None:
            raise UserNotFound
        return user

    async def require_other_admin(self, user_id: uuid.UUID) -> None:
        """Lock the accounts that can act as admins until the commit. Raises LastAdmin if this one is the only one.

        Of two changes that race, the second waits, and finds out here what the first one left. The rows are locked in
        the order of their ids, before any other row.
        """
        admins = select(User.id).where(User.is_admin, User.disabled.is_(False)).order_by(User.id)
        ids = (await self._session.scalars(admins.with_for_update(key_share=True))).all()
        if list(ids) == [user_id]:
            raise LastAdmin

    async def summarize(self, user_id: uuid.UUID) -> AccountSummary:
        """Return what the account has stored, and when it was last seen."""
        session = select(func.max(Session.rotated_at)).where(Session.user_id == user_id).scalar_subquery()
        key = select(func.max(ApiKey.last_used_at)).where(ApiKey.user_id == user_id).scalar_subquery()
        stored = select(func.count(), func.coalesce(func.sum(Image.size), 0), func.greatest(session, key))
        row = (await self._session.execute(stored.where(Image.uploaded_by == user_id))).one()
        return AccountSummary(row[0], int(row[1]), row[2])

    async def owns_images(self, user_id: uuid.UUID) -> bool:
        """Return whether the account has images; no other request can give it one until the commit.

        An upload that commits needs a lock of the account's row, which is held here.
        """
        await self._session.execute(select(User.id).where(User.id == user_id).with_for_update())
        owned = select(Image.id).where(Image.uploaded_by == user_id).limit(1)
        return await self._session.scalar(owned) is not None
