"""SQL of the accounts that admins list and change."""

import uuid
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.administration.errors import LastAdmin
from app.models import ApiKey, Image, User, UserSession
from app.users.errors import UserNotFound


class AccountRepository:
    """The SQL of account administration, beyond that of `UserRepository`."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, user_id: uuid.UUID) -> User:
        """Return the account. Raises UserNotFound."""
        user = await self._session.get(User, user_id)
        if user is None:
            raise UserNotFound
        return user

    async def get_for_change(self, user_id: uuid.UUID) -> User:
        """Return the account with its row locked until the commit. Raises UserNotFound."""
        user = await self._session.scalar(select(User).where(User.id == user_id).with_for_update(key_share=True))
        if user is None:
            raise UserNotFound
        return user

    async def require_other_admin(self, user_id: uuid.UUID) -> None:
        """Lock the enabled admin accounts until the commit. Raises LastAdmin if this account is the only one.

        A concurrent change waits, and then sees the admins that this change leaves. The rows are locked in the order
        of their ids, before any other row.
        """
        admins = select(User.id).where(User.is_admin, User.disabled.is_(False)).order_by(User.id)
        ids = (await self._session.scalars(admins.with_for_update(key_share=True))).all()
        if list(ids) == [user_id]:
            raise LastAdmin

    async def find_last_use(self, user_id: uuid.UUID) -> datetime | None:
        """Return the time of the last use of the account's current sessions and API keys; None without a use."""
        session = select(func.max(UserSession.rotated_at)).where(UserSession.user_id == user_id).scalar_subquery()
        key = select(func.max(ApiKey.last_used_at)).where(ApiKey.user_id == user_id).scalar_subquery()
        return await self._session.scalar(select(func.greatest(session, key)))

    async def lock(self, user_id: uuid.UUID) -> None:
        """Keep uploads from adding images to the account, and deletions from adding to its trash, until the commit.

        Both lock the account's row, too.
        """
        await self._session.execute(select(User.id).where(User.id == user_id).with_for_update())

    async def has_images(self, user_id: uuid.UUID) -> bool:
        """Return whether the account has images."""
        owned = select(Image.id).where(Image.uploaded_by == user_id).limit(1)
        return await self._session.scalar(owned) is not None
