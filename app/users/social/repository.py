"""SQL of social identities and of OAuth flows in progress."""

import uuid
from collections.abc import Sequence

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import OAuthFlow, SocialIdentity, User
from app.users.social.identity import Identity


class OAuthFlowRepository:
    """All SQL about OAuth flows between redirect and callback."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, flow: OAuthFlow) -> None:
        """Insert a flow."""
        self._session.add(flow)
        await self._session.flush()

    async def remove_valid(self, provider: str, state_digest: bytes, browser_digest: bytes) -> OAuthFlow | None:
        """Delete and return the flow of this state, if this browser started it and it has not expired.

        Of two transactions, one gets the flow.
        """
        statement = delete(OAuthFlow).where(
            OAuthFlow.state_digest == state_digest,
            OAuthFlow.browser_digest == browser_digest,
            OAuthFlow.provider == provider,
            OAuthFlow.expires_at > func.now(),
        )
        return await self._session.scalar(statement.returning(OAuthFlow))


class IdentityRepository:
    """All SQL about the identities that are linked to accounts."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, identity: Identity, provider: str, user_id: uuid.UUID) -> None:
        """Link the identity to the account. Raises IdentityTaken."""
        self._session.add(
            SocialIdentity(issuer=identity.issuer, subject=identity.subject, provider=provider, user_id=user_id)
        )
        await self._session.flush()

    async def find_user(self, identity: Identity) -> User | None:
        """Return the account that the identity is linked to, locked until the commit."""
        statement = select(User).join(SocialIdentity, SocialIdentity.user_id == User.id)
        linked = statement.where(SocialIdentity.issuer == identity.issuer, SocialIdentity.subject == identity.subject)
        return await self._session.scalar(linked.with_for_update(of=User, key_share=True))

    async def list_all(self, user_id: uuid.UUID) -> Sequence[SocialIdentity]:
        """Return every identity of the account, oldest first."""
        statement = select(SocialIdentity).where(SocialIdentity.user_id == user_id)
        ordered = statement.order_by(SocialIdentity.created_at, SocialIdentity.issuer, SocialIdentity.subject)
        return (await self._session.scalars(ordered)).all()

    async def remove(self, user_id: uuid.UUID, provider: str) -> None:
        """Unlink every identity of the account at the provider."""
        own = delete(SocialIdentity).where(SocialIdentity.user_id == user_id, SocialIdentity.provider == provider)
        await self._session.execute(own)

    async def remove_all(self, user_id: uuid.UUID) -> None:
        """Unlink every identity of the account."""
        await self._session.execute(delete(SocialIdentity).where(SocialIdentity.user_id == user_id))
