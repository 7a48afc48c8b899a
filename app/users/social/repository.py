"""SQL of social identities and of sign-ins in progress."""

import uuid
from collections.abc import Sequence

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import OAuthFlow, SocialIdentity, User, UserSession
from app.users.social.identity import Identity


class SocialRepository:
    """All SQL about social identities and the logins under way."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add_sign_in(self, sign_in: OAuthFlow) -> None:
        """Insert a login under way."""
        self._session.add(sign_in)
        await self._session.flush()

    async def take_sign_in(self, provider: str, state: bytes, browser: bytes) -> OAuthFlow | None:
        """Take a login out, which can be done once and by the browser that started it only."""
        statement = delete(OAuthFlow).where(
            OAuthFlow.state_digest == state,
            OAuthFlow.browser_digest == browser,
            OAuthFlow.provider == provider,
            OAuthFlow.expires_at > func.now(),
        )
        return await self._session.scalar(statement.returning(OAuthFlow))

    async def find_user(self, identity: Identity) -> User | None:
        """Return the account that the identity is linked to, locked until the commit."""
        statement = select(User).join(SocialIdentity, SocialIdentity.user_id == User.id)
        known = statement.where(SocialIdentity.issuer == identity.issuer, SocialIdentity.subject == identity.subject)
        return await self._session.scalar(known.with_for_update(of=User, key_share=True))

    async def find_session_user(self, session_id: uuid.UUID) -> User | None:
        """Return the account of an open session, locked until the commit."""
        statement = select(User).join(UserSession, UserSession.user_id == User.id)
        still_open = statement.where(UserSession.id == session_id, UserSession.expires_at > func.now())
        return await self._session.scalar(still_open.with_for_update(of=User, key_share=True))

    async def list_identities(self, user_id: uuid.UUID) -> Sequence[SocialIdentity]:
        """Return every identity of the account, oldest first."""
        statement = select(SocialIdentity).where(SocialIdentity.user_id == user_id)
        ordered = statement.order_by(SocialIdentity.created_at, SocialIdentity.issuer, SocialIdentity.subject)
        return (await self._session.scalars(ordered)).all()

    async def unlink(self, user_id: uuid.UUID, provider: str) -> None:
        """Unlink every identity of the account at the provider."""
        own = delete(SocialIdentity).where(SocialIdentity.user_id == user_id, SocialIdentity.provider == provider)
        await self._session.execute(own)

    async def unlink_all(self, user_id: uuid.UUID) -> None:
        """Unlink every identity of the account."""
        await self._session.execute(delete(SocialIdentity).where(SocialIdentity.user_id == user_id))

    async def link(self, identity: Identity, provider: str, user_id: uuid.UUID) -> None:
        """Link the identity to the account. Raises IdentityTaken."""
        self._session.add(
            SocialIdentity(issuer=identity.issuer, subject=identity.subject, provider=provider, user_id=user_id)
        )
        await self._session.flush()
