"""Creates accounts, and changes their addresses and passwords. No database connection is held during a hash."""

import uuid
from dataclasses import dataclass, field
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.audit_log import AuditLog
from app.authz.principal import Principal
from app.core.passwords import PasswordHasher
from app.core.rate_limit import RateLimitSettings
from app.core.resource_paths import invitation_path, user_path
from app.core.security import digest_token
from app.core.text.email_addresses import is_same_mailbox
from app.db.database import Database
from app.models import AuditAction, User
from app.ratelimit.policies import sign_up_charges
from app.ratelimit.rate_limiter import RateLimiter
from app.users.accounts.password_policy import refuse_address_as_password
from app.users.accounts.repository import UserRepository
from app.users.errors import SignUpClosed, WrongPassword
from app.users.invitation_repository import InvitationRepository
from app.users.revocation import revoke_credentials
from app.users.sessions.reauthentication import Reauthentication


@dataclass(frozen=True, slots=True)
class AccountChange:
    """A change of one's own account. None keeps the e-mail address or the password.

    `keep_api_keys` keeps the API keys when the password changes.
    """

    email: str | None
    password: str | None = field(repr=False)
    current_password: str | None = field(repr=False)
    keep_api_keys: bool


class SignUp:
    """Creates accounts, if `mode` allows it."""

    def __init__(
        self,
        database: Database,
        rate_limiter: RateLimiter,
        sign_up_limits: RateLimitSettings,
        passwords: PasswordHasher,
        audit: AuditLog,
        *,
        mode: Literal["open", "invite", "closed"],
    ) -> None:
        self._database, self._passwords, self._audit, self._mode = database, passwords, audit, mode
        self._rate_limiter, self._sign_up_limits = rate_limiter, sign_up_limits

    async def create_account(self, email: str, password: str, invitation_code: str | None, address: str | None) -> User:
        """Create an account; `address` is the client's. Raises SignUpClosed, EmailTaken.

        Raises ValidationFailed if the password is the e-mail address, and TooManyRequests.
        """
        if self._mode == "closed":
            raise SignUpClosed("Sign-up is closed. An admin can create an account for you.")
        refuse_address_as_password(email, password)
        await self._rate_limiter.charge(sign_up_charges(self._sign_up_limits, email, address))
        code = digest_token(invitation_code) if invitation_code else b""
        if self._mode == "invite":
            # Without a valid code, no password is hashed, and a stranger does not learn which addresses are taken.
            async with self._database.read_session() as session:
                _require_invitation(is_valid=await InvitationRepository(session).is_valid(code, email))
        password_hash = await self._passwords.hash(password)
        async with self._database.unit_of_work() as session:
            invitation = await InvitationRepository(session).remove_valid(code, email)
            if self._mode == "invite":
                _require_invitation(is_valid=invitation is not None)
            user = await UserRepository(session).add(email, password_hash)
            if invitation is not None:
                audit, target = self._audit.by(user.id), invitation_path(invitation)
                await audit.write(session, AuditAction.INVITATION_USE, target, after={"account": user_path(user.id)})
            return user


class Accounts:
    """The use cases of one's own account."""

    def __init__(self, database: Database, passwords: PasswordHasher, reauthentication: Reauthentication) -> None:
        self._database, self._passwords, self._reauthentication = database, passwords, reauthentication

    async def change(self, principal: Principal, user: User, change: AccountChange) -> User:
        """Change the account; a new password ends all other sessions and deletes all API keys that are not kept.

        Raises WrongPassword, RecentSignInRequired, EmailTaken, ValidationFailed, TooManyRequests.
        """
        email = change.email or user.email
        refuse_address_as_password(email, change.password or "")
        if change.email and change.password is None:
            refuse_address_as_password(email, change.current_password or "", "email")
        new_hash: str | None = None
        # Twice, because a concurrent sign-in may have renewed the hash that this one checked.
        for _ in range(2):
            await self._reauthentication.require_password(principal, user, change.current_password)
            if change.password and new_hash is None:
                # Not earlier: a caller who has reached the limit must not use the hashing threads.
                new_hash = await self._passwords.hash(change.password)
            async with self._database.unit_of_work() as session:
                current = await UserRepository(session).get_for_change(user.id)
                if current.password == user.password:
                    await _apply(session, current, change, new_hash, principal.session_id)
                    return current
            user = current
        raise WrongPassword("The password was changed by another request")


def _require_invitation(*, is_valid: bool) -> None:
    if not is_valid:
        raise SignUpClosed("Sign-up requires an invitation code that is valid for this address")


async def _apply(
    session: AsyncSession, user: User, change: AccountChange, new_hash: str | None, kept: uuid.UUID | None
) -> None:
    if change.email and change.email != user.email:
        # Another spelling in upper and lower case is the same mailbox.
        user.email_verified = user.email_verified and is_same_mailbox(user.email, change.email)
        user.email = change.email
    if new_hash:
        user.password = new_hash
        await revoke_credentials(session, user.id, kept_session=kept, keep_api_keys=change.keep_api_keys)
