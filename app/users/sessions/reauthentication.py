"""Reauthentication: a recent sign-in or the current password, which every sensitive change requires.

An access token may be stolen and an API key may have leaked. Neither may be exchanged for a credential with a longer
life, so neither is sufficient for a change of the account's credentials.
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

REAUTHENTICATION_WINDOW = timedelta(minutes=10)


class Reauthentication:
    """The checks of a reauthentication. No database connection is held while a password is verified."""

    def __init__(
        self,
        database: Database,
        rate_limiter: RateLimiter,
        login_limits: RateLimitSettings,
        passwords: PasswordHasher,
    ) -> None:
        self._database, self._passwords = database, passwords
        self._rate_limiter, self._login_limits = rate_limiter, login_limits

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
        """Accept a session that was opened within REAUTHENTICATION_WINDOW. A refresh does not count as a sign-in.

        Raises RecentSignInRequired.
        """
        async with self._database.read_session() as session:
            opened = await UserSessionRepository(session).find(principal.session_id)
        if opened is None or opened.created_at < utc_now() - REAUTHENTICATION_WINDOW:
            raise RecentSignInRequired("Sign in again and repeat the request within ten minutes")

    async def _check_password(self, user: User, stored: str, current_password: str) -> None:
        charges = password_check_charges(self._login_limits, user.id)
        await self._rate_limiter.charge(charges)
        if not await self._passwords.verify(current_password, stored):
            raise WrongPassword
        await self._rate_limiter.refund(charges)
