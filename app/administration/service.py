"""Changes of accounts by admins."""

import uuid

from sqlalchemy.ext.asyncio import AsyncSession

from app.administration.repository import AccountRepository
from app.administration.schemas import AccountRead, AccountUpdate
from app.http.container import Container
from app.images.upload.usage_repository import UsageRepository
from app.models import User
from app.users.accounts.password_policy import refuse_address_as_password
from app.users.accounts.repository import UserRepository
from app.users.invitation_repository import InvitationRepository
from app.users.revocation import change_role, revoke_credentials
from app.users.schemas import to_read


class Administration:
    """Use cases of the accounts of others."""

    def __init__(self, container: Container) -> None:
        self._database = container.database
        self._passwords = container.passwords

    async def read(self, user_id: uuid.UUID) -> AccountRead:
        """Return the account with what it has stored. Raises UserNotFound."""
        async with self._database.read_session() as session:
            accounts = AccountRepository(session)
            user = await accounts.get(user_id)
            providers = await UserRepository(session).providers_of([user_id])
            usage = await UsageRepository(session).get(user_id)
            last_seen_at = await accounts.last_seen(user_id)
        return AccountRead(
            **to_read(user, providers[user_id]).model_dump(),
            disabled=user.disabled,
            quota_bytes=user.quota_bytes,
            images=usage.images,
            bytes=usage.bytes,
            last_seen_at=last_seen_at,
        )

    async def change(self, user_id: uuid.UUID, change: AccountUpdate) -> None:
        """Change the account. Raises UserNotFound, LastAdmin, ValidationFailed."""
        new_hash = None
        if change.password is not None:
            refuse_address_as_password((await self.read(user_id)).email, change.password)
            # No connection is held while the password is hashed.
            new_hash = await self._passwords.hash(change.password)
        async with self._database.unit_of_work() as session:
            accounts = AccountRepository(session)
            if change.withdraws_admin:
                await accounts.require_other_admin(user_id)
            await _apply(session, await accounts.lock(user_id), change, new_hash)


async def _apply(session: AsyncSession, user: User, change: AccountUpdate, new_hash: str | None) -> None:
    if change.sets("quota_bytes"):
        user.quota_bytes = change.quota_bytes
    if change.sets("is_admin") and change.is_admin != user.is_admin:
        await change_role(session, user, is_admin=change.is_admin)
    if change.sets("disabled"):
        user.disabled = change.disabled
    if new_hash is not None:
        user.password = new_hash
    await session.flush()
    if change.withdraws_admin:
        await InvitationRepository(session).remove_by(user.id)
    if change.disabled or new_hash is not None:
        await revoke_credentials(session, user.id)
