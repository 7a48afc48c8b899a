"""Signs in with a password, and refreshes the tokens of a session."""

from app.core.errors import InvalidToken
from app.core.passwords import PasswordHasher
from app.core.rate_limit import RateLimitSettings
from app.db.database import Database
from app.models import User
from app.ratelimit.policies import login_charges, refresh_charges
from app.ratelimit.rate_limiter import RateLimiter
from app.users.accounts.email import account_name
from app.users.accounts.repository import UserRepository
from app.users.errors import InvalidCredentials
from app.users.sessions.repository import Device, RefreshTokenReuse
from app.users.sessions.token_issuer import SessionTokens, TokenIssuer

_REUSE_DETAILS = {
    RefreshTokenReuse.ENDED: "The session has ended",
    RefreshTokenReuse.CONCURRENT: "The refresh token was used a moment ago. Continue with the token of that response.",
    RefreshTokenReuse.REUSED: "The refresh token was used before. Its session has ended.",
}


class PasswordSignIn:
    """Opens sessions for e-mail address and password."""

    def __init__(
        self,
        database: Database,
        rate_limiter: RateLimiter,
        login_limits: RateLimitSettings,
        passwords: PasswordHasher,
        issuer: TokenIssuer,
    ) -> None:
        self._database, self._passwords, self._issuer = database, passwords, issuer
        self._rate_limiter, self._login_limits = rate_limiter, login_limits

    async def sign_in(self, email: str, password: str, device: Device) -> SessionTokens:
        """Open a session and return its tokens. Raises InvalidCredentials, TooManyRequests.

        InvalidCredentials takes the same time whether or not the account exists. Above the limit, no password is
        hashed.
        """
        account = account_name(email)
        # Twice, because a concurrent sign-in may have renewed the hash that this one checked.
        for _ in range(2):
            user = await self._check_password(account, password, device)
            async with self._database.unit_of_work() as session:
                if await UserRepository(session).find_unchanged(user.id, user.password):
                    tokens = await self._issuer.open_session(session, user.id, device)
                    break
        else:
            raise InvalidCredentials
        await self._renew_hash(user, password)
        return tokens

    async def _check_password(self, account: str, password: str, device: Device) -> User:
        async with self._database.read_session() as session:
            user, known = await UserRepository(session).find_for_sign_in(account, device.address)
        charges = login_charges(self._login_limits, account, device.address, known_address=known)
        await self._rate_limiter.charge(charges)
        # No connection is held during the hash, which takes a quarter of a second.
        matches = await self._passwords.verify(password, user.password if user else None)
        if not matches or user is None or user.disabled:
            raise InvalidCredentials
        await self._rate_limiter.refund(charges)
        return user

    async def _renew_hash(self, user: User, password: str) -> None:
        if user.password is None or not self._passwords.is_outdated(user.password):
            return
        renewed = await self._passwords.hash(password)
        async with self._database.unit_of_work() as session:
            await UserRepository(session).update_password_hash(user.id, user.password, renewed)


class SessionRefresh:
    """Exchanges refresh tokens, each of which is valid once."""

    def __init__(
        self, database: Database, rate_limiter: RateLimiter, refresh_limits: RateLimitSettings, issuer: TokenIssuer
    ) -> None:
        self._database, self._issuer = database, issuer
        self._rate_limiter, self._refresh_limits = rate_limiter, refresh_limits

    async def refresh(self, refresh_token: str, device: Device) -> SessionTokens:
        """Return new tokens of the session. Raises InvalidToken, TooManyRequests.

        A second use ends the session. The exception is the previous token within ten seconds of its first use.
        """
        try:
            session_id = self._issuer.read_session_id(refresh_token)
        except InvalidToken:
            await self._rate_limiter.charge(refresh_charges(self._refresh_limits, None, device.address))
            raise
        await self._rate_limiter.charge(refresh_charges(self._refresh_limits, session_id, device.address))
        async with self._database.unit_of_work() as session:
            result = await self._issuer.rotate(session, session_id, refresh_token)
        if isinstance(result, RefreshTokenReuse):
            raise InvalidToken(_REUSE_DETAILS[result])
        return result
