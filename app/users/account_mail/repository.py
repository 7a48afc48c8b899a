"""SQL of the links that the service mails to account owners."""

import hashlib
import uuid
from datetime import timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.security import digest_token
from app.db.base import utc_now
from app.models import LinkPurpose, MailedLink, User

LIFETIME = timedelta(hours=1)


class MailedLinkRepository:
    """All SQL about mailed links."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, token: str, user: User, purpose: LinkPurpose) -> None:
        """Insert a link for the account as it is now."""
        link = MailedLink(
            token_digest=digest_token(token),
            user_id=user.id,
            purpose=purpose,
            email=user.email,
            password_digest=_password_digest(user),
            expires_at=utc_now() + LIFETIME,
        )
        self._session.add(link)
        await self._session.flush()

    async def find_user(self, token: str, purpose: LinkPurpose, *, lock: bool = False) -> User | None:
        """Return the account of a link that is valid; with `lock`, its row stays locked until the commit."""
        statement = (
            select(User, MailedLink)
            .join(MailedLink, MailedLink.user_id == User.id)
            .where(
                MailedLink.token_digest == digest_token(token),
                MailedLink.purpose == purpose,
                MailedLink.expires_at > func.now(),
                MailedLink.email == User.email,
                User.disabled.is_(False),
            )
        )
        if lock:
            statement = statement.with_for_update(of=User, key_share=True)
        row = (await self._session.execute(statement)).one_or_none()
        if row is None:
            return None
        user: User = row[0]
        is_outdated = purpose == LinkPurpose.PASSWORD_RESET and row[1].password_digest != _password_digest(user)
        return None if is_outdated else user

    async def remove_valid(self, token: str, purpose: LinkPurpose) -> User | None:
        """Delete the link and return its account, locked until the commit; None unless the link is valid.

        Of two transactions with one link, the second waits for the lock and then finds no link to delete.
        """
        user = await self.find_user(token, purpose, lock=True)
        link = delete(MailedLink).where(MailedLink.token_digest == digest_token(token), MailedLink.purpose == purpose)
        if await self._session.scalar(link.returning(MailedLink.user_id)) is None:
            return None
        return user

    async def remove_all(self, user_id: uuid.UUID, purpose: LinkPurpose) -> None:
        """Delete the account's links for this purpose."""
        await self._session.execute(
            delete(MailedLink).where(MailedLink.user_id == user_id, MailedLink.purpose == purpose)
        )


def _password_digest(user: User) -> bytes:
    return hashlib.sha256((user.password or "").encode()).digest()
