"""Creates API keys, after a check of the account's role and a reauthentication."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.authz.principal import Principal
from app.core.errors import AdminRequired, InvalidToken
from app.core.security import digest_token, new_opaque_token
from app.db.database import Database
from app.models import ApiKey, Scope, User
from app.users.accounts.repository import UserRepository
from app.users.api_keys.repository import ApiKeyRepository
from app.users.authentication import API_KEY_PREFIX
from app.users.errors import TooManyApiKeys
from app.users.sessions.reauthentication import Reauthentication


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """The properties of a key to create. A key without `expires_at` does not expire."""

    name: str
    scopes: Sequence[Scope]
    expires_at: datetime | None


class ApiKeys:
    """The use cases of API keys. An account has at most `max_keys` of them."""

    def __init__(self, database: Database, reauthentication: Reauthentication, max_keys: int) -> None:
        self._database, self._reauthentication, self._max_keys = database, reauthentication, max_keys

    async def create(
        self, principal: Principal, user: User, requested: NewApiKey, current_password: str | None
    ) -> tuple[ApiKey, str]:
        """Return the stored row and the key itself, which is stored as a digest only.

        Raises AdminRequired, WrongPassword, RecentSignInRequired, InvalidToken, TooManyApiKeys, TooManyRequests.
        """
        _require_role(user, requested.scopes)
        await self._reauthentication.require(principal, user, current_password)
        key = API_KEY_PREFIX + new_opaque_token()
        async with self._database.unit_of_work() as session:
            users = UserRepository(session)
            # The row is locked: a new password or another role that commits later also ends this key.
            _require_role(await users.get_for_change(user.id), requested.scopes)
            if principal.session_id is None or await users.find_by_session(user.id, principal.session_id) is None:
                raise InvalidToken("The session has ended")
            keys = ApiKeyRepository(session)
            if await keys.count(user.id) >= self._max_keys:
                raise TooManyApiKeys(f"The account has {self._max_keys} API keys. Delete one first.")
            row = await keys.add(user.id, requested.name, digest_token(key), requested.scopes, requested.expires_at)
        return row, key


def _require_role(user: User, scopes: Sequence[Scope]) -> None:
    if Scope.ADMIN in scopes and not user.is_admin:
        raise AdminRequired("Only an admin can create a key with the scope `admin`")
