"""Creates API keys, after a recent proof of identity."""

from app.authz.principal import Principal
from app.core.errors import AdminRequired, InvalidToken
from app.core.security import digest_token, new_opaque_token
from app.db.database import Database
from app.models import ApiKey, Scope, User
from app.users.accounts.repository import UserRepository
from app.users.api_keys.repository import ApiKeyRepository
from app.users.authentication import API_KEY_PREFIX
from app.users.errors import TooManyApiKeys
from app.users.schemas import ApiKeyCreate
from app.users.sessions.reauthentication import Proof


class ApiKeys:
    """Use cases of API keys."""

    def __init__(self, database: Database, proof: Proof, max_keys: int) -> None:
        self._database, self._proof, self._max_keys = database, proof, max_keys

    async def create(self, principal: Principal, user: User, body: ApiKeyCreate) -> tuple[ApiKey, str]:
        """Return the stored row and the key itself, which is stored as a digest only.

        Raises AdminRequired, WrongPassword, RecentSignInRequired, InvalidToken, TooManyApiKeys, TooManyRequests.
        """
        _require_role(user, body)
        await self._proof.require(principal, user, body.current_password)
        key = API_KEY_PREFIX + new_opaque_token()
        async with self._database.unit_of_work() as session:
            users = UserRepository(session)
            # With the row locked: a new password or another role that commits meanwhile also ends this key.
            _require_role(await users.get_for_change(user.id), body)
            if principal.session_id is None or await users.find_by_session(user.id, principal.session_id) is None:
                raise InvalidToken("The session has ended")
            keys = ApiKeyRepository(session)
            if await keys.count(user.id) >= self._max_keys:
                raise TooManyApiKeys(f"The account has {self._max_keys} API keys. Delete one first.")
            row = await keys.add(user.id, body.name, digest_token(key), body.scopes, body.expires_at)
        return row, key


def _require_role(user: User, body: ApiKeyCreate) -> None:
    if Scope.ADMIN in body.scopes and not user.is_admin:
        raise AdminRequired("Only an admin can create a key with the scope `admin`")
