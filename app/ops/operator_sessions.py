"""The sessions of operators: sessions of browsers that only admins can open."""

from app.authz.principal import Principal
from app.core.errors import AdminRequired
from app.users.sessions.browser_sessions import BrowserSessions
from app.users.sessions.repository import Device

# One shift: an incident needs no second sign-in, and an unattended screen loses access overnight.
LIFETIME_SECONDS = 12 * 3600


class OperatorSessions:
    """Opens and ends the sessions of operators."""

    def __init__(self, sessions: BrowserSessions) -> None:
        self._sessions = sessions

    async def sign_in(self, email: str, password: str, device: Device) -> str:
        """Open a session and return its token.

        Raises InvalidCredentials, TooManyRequests. Raises AdminRequired, and ends the session, unless the account is an
        admin.
        """
        principal, token = await self._sessions.sign_in(email, password, device)
        if not principal.is_admin:
            await self._sessions.remove(principal)
            raise AdminRequired(
                "The account is not an admin. Run `python -m app create-admin --existing` to promote it."
            )
        return token

    async def authenticate(self, token: str) -> Principal:
        """Return the principal of a token of `sign_in`. Raises InvalidToken."""
        return await self._sessions.authenticate(token)

    async def end(self, token: str | None) -> None:
        """End the session of the token; without a valid token, do nothing."""
        await self._sessions.end(token)
