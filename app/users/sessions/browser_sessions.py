"""Sessions of browsers: ordinary sessions whose token is in a cookie, for the pages of one audience only."""

import uuid

from app.authz.principal import Principal
from app.core.errors import InvalidToken
from app.core.security import AccessTokens, Audience
from app.db.database import Database
from app.users.authentication import Authenticator
from app.users.sessions.repository import Device, UserSessionRepository
from app.users.sessions.service import PasswordSignIn
from app.users.sessions.token_issuer import SessionTokens


class BrowserSessions:
    """Opens and ends the sessions of one audience. Their tokens live for `lifetime` seconds; the API refuses them."""

    def __init__(
        self,
        database: Database,
        access_tokens: AccessTokens,
        password_sign_in: PasswordSignIn,
        authenticator: Authenticator,
        audience: Audience,
        lifetime: int,
    ) -> None:
        self._database, self._access_tokens = database, access_tokens
        self._password_sign_in, self._authenticator = password_sign_in, authenticator
        self._audience, self._lifetime = audience, lifetime

    async def sign_in(self, email: str, password: str, device: Device) -> tuple[Principal, str]:
        """Open a session; return its principal and its token. Raises InvalidCredentials, TooManyRequests."""
        tokens = await self._password_sign_in.sign_in(email, password, device)
        principal = await self._authenticator.authenticate_session(tokens.access_token, Audience.API)
        return principal, self.convert(tokens)

    def convert(self, tokens: SessionTokens) -> str:
        """Return the token of this audience for the session of valid tokens of the API."""
        claims = self._access_tokens.read(tokens.access_token)
        return self._access_tokens.issue(claims, audience=self._audience, lifetime=self._lifetime)

    async def authenticate(self, token: str) -> Principal:
        """Return the principal of a token of `sign_in` or `convert`. Raises InvalidToken."""
        return await self._authenticator.authenticate_session(token, self._audience)

    async def end(self, token: str | None) -> None:
        """End the session of the token; without a valid token, do nothing."""
        try:
            principal = await self.authenticate(token or "")
        except InvalidToken:
            return
        await self.remove(principal)

    async def end_others(self, user_id: uuid.UUID, kept: uuid.UUID) -> None:
        """End every session of the account except `kept`."""
        async with self._database.unit_of_work() as session:
            await UserSessionRepository(session).remove_others(user_id, kept)

    async def remove(self, principal: Principal) -> None:
        """End the session of the principal."""
        if principal.session_id:
            async with self._database.unit_of_work() as session:
                await UserSessionRepository(session).remove(principal.session_id)
