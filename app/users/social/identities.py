"""The identities of an account: listing and unlinking them."""

import uuid
from collections.abc import Sequence

from app.http.container import Container
from app.models import SocialIdentity, User
from app.users.accounts.repository import UserRepository
from app.users.errors import IdentityNotFound, LastSignInMethod
from app.users.revocation import revoke_credentials
from app.users.social.providers import SocialProviders
from app.users.social.repository import SocialRepository


class Identities:
    """Use cases of the identities of one's own account."""

    def __init__(self, container: Container, providers: SocialProviders) -> None:
        self._database, self._providers = container.database, providers

    async def list_all(self, user_id: uuid.UUID) -> Sequence[SocialIdentity]:
        """Return the account's identities, oldest first; MAX_IDENTITIES at most."""
        async with self._database.read_session() as session:
            return await SocialRepository(session).list_identities(user_id)

    async def unlink(self, user_id: uuid.UUID, provider: str, kept_session: uuid.UUID | None) -> None:
        """Unlink the account's identities at the provider, end its other sessions, and take its address as unproven.

        A session does not record how it was opened, so that any of them may have come by this identity.
        Raises IdentityNotFound, LastSignInMethod.
        """
        async with self._database.unit_of_work() as session:
            # Locked: two unlinkings at once must not take away both of two identities.
            user = await UserRepository(session).get_for_change(user_id)
            social = SocialRepository(session)
            linked = {one.provider for one in await social.list_identities(user_id)}
            if provider not in linked:
                raise IdentityNotFound
            if not self._can_still_sign_in(user, linked - {provider}):
                raise LastSignInMethod
            await social.unlink(user_id, provider)
            # With a proven address, the next login at the provider would find the account and link itself again.
            user.email_verified = False
            await revoke_credentials(session, user_id, kept_session=kept_session, keep_api_keys=True)

    def _can_still_sign_in(self, user: User, linked: set[str]) -> bool:
        # An identity at a provider that is not configured opens nothing.
        return user.password is not None or not linked.isdisjoint(self._providers.names)
