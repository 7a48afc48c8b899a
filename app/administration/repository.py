"""SQL of the accounts that admins list and change."""

import uuid
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.administration.errors import LastAdmin
from app.models import ApiKey, Image, User, UserSession
from app.users.errors import UserNotFound


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

    async def last_seen(self, user_id: uuid.UUID) -> datetime | None:
        """Return when one of the account's current sessions or API keys was last used."""
        session = select(func.max(UserSession.rotated_at)).where(UserSession.user_id == user_id).scalar_subquery()
        key = select(func.max(ApiKey.last_used_at)).where(ApiKey.user_id == user_id).scalar_subquery()
        return await self._session.scalar(select(func.greatest(session, key)))

    async def owns_images(self, user_id: uuid.UUID) -> bool:
        """Return whether the account has images; no other request can give it one until the commit.

        An upload that commits needs a lock of the account's row, which is held here.
        """
        await self._session.execute(select(User.id).where(User.id == user_id).with_for_update())
        owned = select(Image.id).where(Image.uploaded_by == user_id).limit(1)
        return await self._session.scalar(owned) is not None
