"""Creates and changes accounts. No connection is held while a password is hashed."""

import uuid

from sqlalchemy.ext.asyncio import AsyncSession

from app.authz.principal import Principal
from app.core.passwords import PasswordHasher
from app.core.security import digest_token
from app.core.settings import Settings
from app.core.text.email_addresses import is_same_mailbox
from app.db.database import Database
from app.models import User
from app.ratelimit.policies import sign_up_charges
from app.ratelimit.rate_limiter import RateLimiter
from app.users.accounts.password_policy import refuse_address_as_password
from app.users.accounts.repository import UserRepository
from app.users.errors import SignUpClosed, WrongPassword
from app.users.invitation_repository import InvitationRepository
from app.users.revocation import revoke_credentials
from app.users.schemas import UserCreate, UserUpdate
from app.users.sessions.reauthentication import Proof


class Accounts:
    """Use cases of one's own account."""

    def __init__(
        self, settings: Settings, database: Database, limits: RateLimiter, passwords: PasswordHasher, proof: Proof
    ) -> None:
        self._settings, self._database, self._limits = settings, database, limits
        self._passwords, self._proof = passwords, proof

    async def sign_up(self, body: UserCreate, address: str | None) -> User:
        """Create an account. Raises SignUpClosed, EmailTaken, ValidationFailed, TooManyRequests."""
        if self._settings.sign_up == "closed":
            raise SignUpClosed("Sign-up is closed. An admin can create an account for you.")
        refuse_address_as_password(body.email, body.password)
        await self._limits.charge(sign_up_charges(self._settings.sign_up_limits, body.email, address))
        code = digest_token(body.invitation_code) if body.invitation_code else b""
        if self._settings.sign_up == "invite":
            # Without a valid code, no password is hashed, and a stranger does not learn which addresses are taken.
            async with self._database.read_session() as session:
                _require_invitation(is_valid=await InvitationRepository(session).is_valid(code, body.email))
        # Hashed before the unit of work begins: no connection waits for it.
        password_hash = await self._passwords.hash(body.password)
        async with self._database.unit_of_work() as session:
            is_valid = await InvitationRepository(session).take(code, body.email)
            if self._settings.sign_up == "invite":
                _require_invitation(is_valid=is_valid)
            return await UserRepository(session).add(body.email, password_hash)

    async def change(self, principal: Principal, user: User, change: UserUpdate) -> User:
        """Change e-mail or password; a new password ends all other sessions and, unless they are kept, all keys.

        Raises WrongPassword, RecentSignInRequired, EmailTaken, ValidationFailed, TooManyRequests.
        """
        email = change.email or user.email
        refuse_address_as_password(email, change.password or "")
        if change.email and change.password is None:
            refuse_address_as_password(email, change.current_password or "", "email")
        new_hash: str | None = None
        # Twice, because a concurrent sign-in may have renewed the hash that this one checked.
        for _ in range(2):
            await self._proof.require_password(principal, user, change.current_password)
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
    session: AsyncSession, user: User, change: UserUpdate, new_hash: str | None, kept: uuid.UUID | None
) -> None:
    if change.email and change.email != user.email:
        # Another spelling in upper and lower case is the same mailbox.
        user.email_verified = user.email_verified and is_same_mailbox(user.email, change.email)
        user.email = change.email
    if new_hash:
        user.password = new_hash
        await revoke_credentials(session, user.id, kept_session=kept, keep_api_keys=change.keep_api_keys)
