"""Authenticates bearer tokens. Each check reads PostgreSQL, so that an ended session is refused at once."""

from app.authz.principal import Principal
from app.core.errors import InvalidToken
from app.core.security import AccessTokens, Audience, digest_token
from app.db.database import Database
from app.models import Scope
from app.users.accounts.repository import find_by_session
from app.users.api_keys.repository import ApiKeyRepository

API_KEY_PREFIX = "imts_"


class Authenticator:
    """Finds the principal of an access token or an API key."""

    def __init__(self, database: Database, access_tokens: AccessTokens) -> None:
        self._database, self._access_tokens = database, access_tokens

    async def authenticate(self, token: str) -> Principal:
        """Return the principal of an access token or an API key. Raises InvalidToken."""
        if token.startswith(API_KEY_PREFIX):
            return await self._authenticate_api_key(token)
        return await self.authenticate_session(token, Audience.API)

    async def authenticate_session(self, token: str, audience: Audience) -> Principal:
        """Return the principal of a token of an open session. Raises InvalidToken, also for an API key."""
        claims = self._access_tokens.read(token, audience=audience)
        async with self._database.read_connection() as connection:
            user = await find_by_session(connection, claims.user_id, claims.session_id)
        if user is None:
            raise InvalidToken("The session has ended")
        return Principal(user, claims.session_id)

    async def _authenticate_api_key(self, token: str) -> Principal:
        async with self._database.read_session() as session:
            found = await ApiKeyRepository(session).find_valid(digest_token(token))
        if found is None:
            raise InvalidToken("The API key is not valid")
        if found.is_last_use_stale:
            async with self._database.unit_of_work() as session:
                await ApiKeyRepository(session).update_last_use(found.key.id)
        return Principal(found.user, key_id=found.key.id, scopes=frozenset(Scope(scope) for scope in found.key.scopes))
