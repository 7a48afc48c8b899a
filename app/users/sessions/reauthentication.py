"""The recent proof of identity that every sensitive change of an account needs.

Proof is a sign-in of the last ten minutes or the current password. An access token of an older session may be stolen,
and an API key proves nothing. Neither may become a credential with a longer life.
"""

from datetime import timedelta

from app.authz.principal import Principal
from app.core.errors import ValidationFailed
from app.core.passwords import PasswordHasher
from app.core.rate_limit import RateLimitSettings
from app.db.base import utc_now
from app.db.database import Database
from app.models import User
from app.ratelimit.policies import password_check_charges
from app.ratelimit.rate_limiter import RateLimiter
from app.users.errors import RecentSignInRequired, WrongPassword
from app.users.sessions.repository import UserSessionRepository

REAUTH_WINDOW = timedelta(minutes=10)


class Proof:
    """Checks recent proof of identity. No database connection is held while a password is checked."""

    def __init__(
        self, database: Database, limits: RateLimiter, passwords: PasswordHasher, login_limits: RateLimitSettings
    ) -> None:
        self._database, self._limits, self._passwords = database, limits, passwords
        self._login_limits = login_limits

    async def require(self, principal: Principal, user: User, current_password: str | None) -> None:
        """Accept the current password if it is given, else a recent sign-in.

        Raises WrongPassword, RecentSignInRequired, TooManyRequests.
        """
        if current_password is not None and user.password is not None:
            await self._check_password(user, user.password, current_password)
        else:
            await self.require_recent_sign_in(principal)

    async def require_password(self, principal: Principal, user: User, current_password: str | None) -> None:
        """Accept the current password only; for an account without a password, a recent sign-in.

        Raises ValidationFailed, WrongPassword, RecentSignInRequired, TooManyRequests.
        """
        if user.password is None:
            await self.require_recent_sign_in(principal)
        elif current_password is None:
            raise ValidationFailed.at(["body", "current_password"], "Field required", "missing")
        else:
            await self._check_password(user, user.password, current_password)

    async def require_recent_sign_in(self, principal: Principal) -> None:
        """Accept a session that was opened within REAUTH_WINDOW; a refresh does not make it younger.

        Raises RecentSignInRequired.
        """
        async with self._database.read_session() as session:
            opened = await UserSessionRepository(session).find(principal.session_id)
        if opened is None or opened.created_at < utc_now() - REAUTH_WINDOW:
            raise RecentSignInRequired("Sign in again and repeat the request within ten minutes")

    async def _check_password(self, user: User, stored: str, current_password: str) -> None:
        charges = password_check_charges(self._login_limits, user.id)
        await self._limits.charge(charges)
        if not await self._passwords.verify(current_password, stored):
            raise WrongPassword
        await self._limits.refund(charges)
