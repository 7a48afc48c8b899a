"""Use cases of a sign-in: with a password, and with a refresh token."""

import uuid
from datetime import timedelta

from app.core.errors import InvalidToken
from app.core.security import AccessClaims, digest_token
from app.http.container import Container
from app.models import User, UserSession
from app.ratelimit.policies import login_charges, refresh_charges
from app.users.accounts.email import account_name
from app.users.accounts.repository import UserRepository
from app.users.errors import InvalidCredentials
from app.users.schemas import TokenRead
from app.users.sessions.repository import Device, RefreshTokenReuse, UserSessionRepository


class SignIn:
    """Opens and refreshes sessions, and issues their tokens."""

    def __init__(self, container: Container) -> None:
        self._services = container
        self._settings = container.settings
        self._refresh_lifetime = timedelta(seconds=container.settings.refresh_token_seconds)

    async def with_password(self, email: str, password: str, device: Device) -> TokenRead:
        """Open a session. Raises InvalidCredentials, after the same time whether or not the account exists.

        Raises TooManyRequests before anything is hashed.
        """
        account = account_name(email)
        # Twice, because a concurrent sign-in may have renewed the hash that this one checked.
        for _ in range(2):
            user = await self._checked(account, password, device)
            async with self._services.database.unit_of_work() as session:
                if await UserRepository(session).find_unchanged(user.id, user.password):
                    answer = await self.open_session(UserSessionRepository(session), user.id, device)
                    break
        else:
            raise InvalidCredentials
        await self._renew_hash(user, password)
        return answer

    async def with_refresh_token(self, refresh_token: str, device: Device) -> TokenRead:
        """Exchange a refresh token, which is valid once. Raises InvalidToken, TooManyRequests.

        A second use means that the token was stolen, so its session ends.
        """
        try:
            session_id = self._services.refresh_tokens.read(refresh_token)
        except InvalidToken:
            await self._services.limits.charge(refresh_charges(self._settings.refresh_limits, None, device.address))
            raise
        await self._services.limits.charge(refresh_charges(self._settings.refresh_limits, session_id, device.address))
        successor = self._services.refresh_tokens.issue(session_id)
        old, new = digest_token(refresh_token), digest_token(successor)
        async with self._services.database.unit_of_work() as session:
            sessions = UserSessionRepository(session)
            rotated = await sessions.rotate(session_id, old, new, self._refresh_lifetime)
            reuse = None if rotated else await sessions.classify_reuse(session_id, old)
            if reuse is RefreshTokenReuse.REUSED:
                await sessions.remove(session_id)
        if rotated is None:
            raise InvalidToken(_REUSE_DETAILS[reuse or RefreshTokenReuse.UNKNOWN])
        return self._token_answer(rotated, successor)

    async def open_session(self, sessions: UserSessionRepository, user_id: uuid.UUID, device: Device) -> TokenRead:
        """Open a session within the caller's unit of work. The tokens are valid from the commit on."""
        session_id = uuid.uuid4()
        refresh_token = self._services.refresh_tokens.issue(session_id)
        digest = digest_token(refresh_token)
        opened = await sessions.add(session_id, user_id, digest, self._refresh_lifetime, device)
        return self._token_answer(opened, refresh_token)

    async def _checked(self, account: str, password: str, device: Device) -> User:
        async with self._services.database.read_session() as session:
            user, known = await UserRepository(session).find_for_sign_in(account, device.address)
        limits = self._settings.login_limits
        charges = login_charges(limits, account, device.address, known_address=known)
        await self._services.limits.charge(charges)
        # No connection is held during the hash, which takes a quarter of a second.
        matches = await self._services.passwords.verify(password, user.password if user else None)
        if not matches or user is None or user.disabled:
            raise InvalidCredentials
        await self._services.limits.refund(charges)
        return user

    async def _renew_hash(self, user: User, password: str) -> None:
        if user.password is None or not self._services.passwords.is_outdated(user.password):
            return
        renewed = await self._services.passwords.hash(password)
        async with self._services.database.unit_of_work() as session:
            await UserRepository(session).replace_hash(user.id, user.password, renewed)

    def _token_answer(self, session: UserSession, refresh_token: str) -> TokenRead:
        tokens = self._services.access_tokens
        claims = AccessClaims(user_id=session.user_id, session_id=session.id)
        return TokenRead(access_token=tokens.issue(claims), expires_in=tokens.lifetime, refresh_token=refresh_token)


_REUSE_DETAILS = {
    RefreshTokenReuse.UNKNOWN: "The session has ended",
    RefreshTokenReuse.CONCURRENT: "The refresh token was used a moment ago. Continue with the token of that response.",
    RefreshTokenReuse.REUSED: "The refresh token was used before. Its session has ended.",
}
