"""Issues the tokens of sessions."""

import uuid
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.security import AccessClaims, AccessTokens, RefreshTokens, digest_token
from app.models import UserSession
from app.users.sessions.repository import Device, RefreshTokenReuse, UserSessionRepository


@dataclass(frozen=True, slots=True)
class SessionTokens:
    """The tokens of a session. `expires_in` is the lifetime of the access token in seconds."""

    access_token: str = field(repr=False)
    expires_in: int
    refresh_token: str = field(repr=False)


class TokenIssuer:
    """Opens sessions and rotates their refresh tokens, in the caller's transaction.

    The tokens are valid after the commit. A session can be refreshed for `refresh_lifetime` after its last refresh.
    """

    def __init__(self, access_tokens: AccessTokens, refresh_tokens: RefreshTokens, refresh_lifetime: timedelta) -> None:
        self._access_tokens, self._refresh_tokens = access_tokens, refresh_tokens
        self._refresh_lifetime = refresh_lifetime

    async def open_session(self, session: AsyncSession, user_id: uuid.UUID, device: Device) -> SessionTokens:
        """Open a session of the account and return its tokens."""
        session_id = uuid.uuid4()
        refresh_token = self._refresh_tokens.issue(session_id)
        digest = digest_token(refresh_token)
        opened = await UserSessionRepository(session).add(session_id, user_id, digest, self._refresh_lifetime, device)
        return self._issue(opened, refresh_token)

    def read_session_id(self, refresh_token: str) -> uuid.UUID:
        """Return the session of an authentic refresh token, current or not. Raises InvalidToken."""
        return self._refresh_tokens.read(refresh_token)

    async def rotate(
        self, session: AsyncSession, session_id: uuid.UUID, refresh_token: str
    ) -> SessionTokens | RefreshTokenReuse:
        """Exchange the refresh token; return the kind of its reuse if it is not the current one of an open session.

        A reused token has leaked, so its session ends.
        """
        sessions = UserSessionRepository(session)
        successor = self._refresh_tokens.issue(session_id)
        old, new = digest_token(refresh_token), digest_token(successor)
        rotated = await sessions.rotate(session_id, old, new, self._refresh_lifetime)
        if rotated is not None:
            return self._issue(rotated, successor)
        reuse = await sessions.classify_reuse(session_id, old)
        if reuse is RefreshTokenReuse.REUSED:
            await sessions.remove(session_id)
        return reuse

    def _issue(self, session: UserSession, refresh_token: str) -> SessionTokens:
        claims = AccessClaims(user_id=session.user_id, session_id=session.id)
        return SessionTokens(self._access_tokens.issue(claims), self._access_tokens.lifetime, refresh_token)
