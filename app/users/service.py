"""Signing in: where an account, its password and its sessions meet."""

from datetime import timedelta

from app.core.errors import InvalidCredentials, InvalidToken
from app.core.security import AccessClaims, digest_token, new_opaque_token
from app.http.state import Services
from app.models import Session
from app.users.repository import UserRepository
from app.users.schemas import TokenRead


class SignIn:
    """Hands out tokens, against a password or a refresh token."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._refresh_lifetime = timedelta(seconds=services.settings.refresh_token_seconds)

    async def with_password(self, email: str, password: str) -> TokenRead:
        """Open a session. Raises InvalidCredentials, after the same time whether or not the account exists."""
        async with self._services.database.reader() as session:
            user = await UserRepository(session).find_by_email(email)
        # No connection is held during the hash, which takes a quarter of a second.
        if not await self._services.passwords.verify(password, user.password if user else None) or user is None:
            raise InvalidCredentials
        refresh_token = new_opaque_token()
        async with self._services.database.unit_of_work() as session:
            opened = await UserRepository(session).add_session(
                user.id, digest_token(refresh_token), self._refresh_lifetime
            )
        return self._token_answer(opened, refresh_token)

    async def with_refresh_token(self, refresh_token: str) -> TokenRead:
        """Exchange a refresh token, which is good once. Raises InvalidToken."""
        successor = new_opaque_token()
        async with self._services.database.unit_of_work() as session:
            rotated = await UserRepository(session).rotate_refresh(
                digest_token(refresh_token), digest_token(successor), self._refresh_lifetime
            )
        if rotated is None:
            raise InvalidToken
        return self._token_answer(rotated, successor)

    def _token_answer(self, session: Session, refresh_token: str) -> TokenRead:
        tokens = self._services.access_tokens
        claims = AccessClaims(user_id=session.user_id, session_id=session.id)
        return TokenRead(access_token=tokens.issue(claims), expires_in=tokens.lifetime, refresh_token=refresh_token)
