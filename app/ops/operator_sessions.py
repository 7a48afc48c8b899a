"""The sessions of operators: ordinary sessions of admins, with a token for the operators' pages only."""

from app.authz.principal import Principal
from app.core.errors import AdminRequired, InvalidToken
from app.core.security import AccessTokens, Audience
from app.db.database import Database
from app.users.authentication import Authenticator
from app.users.sessions.repository import Device, UserSessionRepository
from app.users.sessions.service import PasswordSignIn

# One shift: an incident needs no second sign-in, and an unattended screen loses access overnight.
LIFETIME_SECONDS = 12 * 3600


class OperatorSessions:
    """Opens and ends the sessions of operators."""

    def __init__(
        self,
        database: Database,
        access_tokens: AccessTokens,
        password_sign_in: PasswordSignIn,
        authenticator: Authenticator,
    ) -> None:
        self._database, self._access_tokens = database, access_tokens
        self._password_sign_in, self._authenticator = password_sign_in, authenticator

    async def sign_in(self, email: str, password: str, device: Device) -> str:
        """Open a session and return its token with the audience of the operators' pages.

        Raises InvalidCredentials, TooManyRequests. Raises AdminRequired, and ends the session, unless the account is an
        admin.
        """
        tokens = await self._password_sign_in.sign_in(email, password, device)
        claims = self._access_tokens.read(tokens.access_token)
        principal = await self._authenticator.authenticate_session(tokens.access_token, Audience.API)
        if not principal.is_admin:
            await self._end(principal)
            raise AdminRequired(
                "The account is not an admin. Run `python -m app create-admin --existing` to promote it."
            )
        return self._access_tokens.issue(claims, audience=Audience.OPS, lifetime=LIFETIME_SECONDS)

    async def authenticate(self, token: str) -> Principal:
        """Return the principal of a token of `sign_in`. Raises InvalidToken."""
        return await self._authenticator.authenticate_session(token, Audience.OPS)

    async def end(self, token: str | None) -> None:
        """End the session of the token; without a valid token, do nothing."""
        try:
            principal = await self.authenticate(token or "")
        except InvalidToken:
            return
        await self._end(principal)

    async def _end(self, principal: Principal) -> None:
        if principal.session_id:
            async with self._database.unit_of_work() as session:
                await UserSessionRepository(session).remove(principal.session_id)
