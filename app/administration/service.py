"""Reads and changes the accounts of other users, for admins."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app.administration.account_audit import AccountState, write_account_changes
from app.administration.repository import AccountRepository
from app.audit.audit_log import AuditLog
from app.core.passwords import PasswordHasher
from app.core.resource_paths import user_path
from app.db.database import Database
from app.images.upload.usage_repository import Usage, UsageRepository
from app.models import AuditAction, User
from app.users.accounts.password_policy import refuse_address_as_password
from app.users.accounts.repository import UserRepository
from app.users.invitation_repository import InvitationRepository
from app.users.revocation import change_role, revoke_credentials


@dataclass(frozen=True, slots=True)
class AccountDetails:
    """An account, the names of its identity providers, its storage usage, and its last use."""

    user: User
    providers: Sequence[str]
    usage: Usage
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class QuotaChange:
    """A new storage quota. None: the quota of the settings applies."""

    quota_bytes: int | None


@dataclass(frozen=True, slots=True)
class AdminChange:
    """A change of an account by an admin. None keeps the value."""

    is_admin: bool | None
    disabled: bool | None
    quota: QuotaChange | None
    password: str | None = field(repr=False)

    @property
    def withdraws_admin(self) -> bool:
        """Whether the account can no longer act as an admin afterwards."""
        return self.disabled is True or self.is_admin is False


class Administration:
    """The use cases of the accounts of other users."""

    def __init__(self, database: Database, passwords: PasswordHasher, audit: AuditLog) -> None:
        self._database, self._passwords, self._audit = database, passwords, audit

    async def get(self, user_id: uuid.UUID) -> AccountDetails:
        """Return the account and its storage usage. Raises UserNotFound."""
        async with self._database.read_session() as session:
            accounts = AccountRepository(session)
            user = await accounts.get(user_id)
            providers = await UserRepository(session).list_providers([user_id])
            usage = await UsageRepository(session).get(user_id)
            last_used_at = await accounts.find_last_use(user_id)
        return AccountDetails(user, providers[user_id], usage, last_used_at)

    async def change(self, user_id: uuid.UUID, change: AdminChange) -> None:
        """Change the account. Raises UserNotFound, LastAdmin, ValidationFailed."""
        new_hash = None
        if change.password is not None:
            refuse_address_as_password((await self.get(user_id)).user.email, change.password)
            # No connection is held during the hash.
            new_hash = await self._passwords.hash(change.password)
        async with self._database.unit_of_work() as session:
            accounts = AccountRepository(session)
            if change.withdraws_admin:
                await accounts.require_other_admin(user_id)
            user = await accounts.get_for_change(user_id)
            before = AccountState.of(user)
            await _apply(session, user, change, new_hash)
            await write_account_changes(self._audit, session, before, user)
            if new_hash is not None:
                await self._audit.write(session, AuditAction.ACCOUNT_SET_PASSWORD, user_path(user_id))


async def _apply(session: AsyncSession, user: User, change: AdminChange, new_hash: str | None) -> None:
    if change.quota is not None:
        user.quota_bytes = change.quota.quota_bytes
    if change.is_admin is not None and change.is_admin != user.is_admin:
        await change_role(session, user, is_admin=change.is_admin)
    if change.disabled is not None:
        user.disabled = change.disabled
    if new_hash is not None:
        user.password = new_hash
    await session.flush()
    if change.withdraws_admin:
        await InvitationRepository(session).remove_created_by(user.id)
    if change.disabled or new_hash is not None:
        await revoke_credentials(session, user.id)
