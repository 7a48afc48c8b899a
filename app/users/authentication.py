"""Authenticates bearer tokens. Each request reads its session or API key, so one that has ended is refused at once."""

from app.authz.principal import Principal
from app.core.errors import InvalidToken
from app.core.security import Audience, digest_token
from app.http.container import Container
from app.models import Scope
from app.users.accounts.repository import UserRepository
from app.users.api_keys.repository import ApiKeyRepository

API_KEY_PREFIX = "imts_"


async def authenticate(container: Container, token: str) -> Principal:
    """Return the principal of an access token or API key. Raises InvalidToken."""
    if token.startswith(API_KEY_PREFIX):
        return await _by_api_key(container, token)
    return await authenticate_session(container, token, Audience.API)


async def authenticate_session(container: Container, token: str, audience: Audience) -> Principal:
    """Return the principal of a session's token. No API key is accepted. Raises InvalidToken."""
    claims = container.access_tokens.read(token, audience=audience)
    async with container.database.read_session() as session:
        user = await UserRepository(session).find_by_session(claims.user_id, claims.session_id)
    if user is None:
        raise InvalidToken("The session has ended")
    return Principal(user, claims.session_id)


async def _by_api_key(container: Container, token: str) -> Principal:
    async with container.database.read_session() as session:
        found = await ApiKeyRepository(session).find_valid(digest_token(token))
    if found is None:
        raise InvalidToken("The API key is not valid")
    if found.should_touch:
        async with container.database.unit_of_work() as session:
            await ApiKeyRepository(session).touch(found.key.id)
    return Principal(found.user, key_id=found.key.id, scopes=frozenset(Scope(scope) for scope in found.key.scopes))
