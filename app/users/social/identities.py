"""Lists and unlinks the identities of an account."""

import uuid
from collections.abc import Sequence

from app.db.database import Database
from app.models import SocialIdentity, User
from app.users.accounts.repository import UserRepository
from app.users.errors import IdentityNotFound, LastSignInMethod
from app.users.revocation import revoke_credentials
from app.users.social.providers import SocialProviders
from app.users.social.repository import IdentityRepository


class Identities:
    """The use cases of the identities of one's own account."""

    def __init__(self, database: Database, providers: SocialProviders) -> None:
        self._database, self._providers = database, providers

    async def list_all(self, user_id: uuid.UUID) -> Sequence[SocialIdentity]:
        """Return the account's identities, oldest first; MAX_IDENTITIES at most."""
        async with self._database.read_session() as session:
            return await IdentityRepository(session).list_all(user_id)

    async def unlink(self, user_id: uuid.UUID, provider: str, kept_session: uuid.UUID | None) -> None:
        """Unlink the account's identities at the provider, end its other sessions, and mark its address as unverified.

        A session does not record its sign-in method, so that any session may have been opened with this identity.
        Raises IdentityNotFound, LastSignInMethod.
        """
        async with self._database.unit_of_work() as session:
            # Locked, so that two concurrent requests cannot remove the last two sign-in methods.
            user = await UserRepository(session).get_for_change(user_id)
            identities = IdentityRepository(session)
            linked = {one.provider for one in await identities.list_all(user_id)}
            if provider not in linked:
                raise IdentityNotFound
            if not self._can_sign_in(user, linked - {provider}):
                raise LastSignInMethod
            await identities.remove(user_id, provider)
            # With a verified address, the next social login would find the account by it and link the identity again.
            user.email_verified = False
            await revoke_credentials(session, user_id, kept_session=kept_session, keep_api_keys=True)

    def _can_sign_in(self, user: User, linked: set[str]) -> bool:
        # An identity at a provider that is no longer configured cannot be used.
        return user.password is not None or not linked.isdisjoint(self._providers.names)
