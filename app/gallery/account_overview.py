"""Reads the page of the account: its storage, its sessions, its API keys and its sign-in methods."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.core.settings import Settings
from app.db.database import Database
from app.images.upload.storage_quota import quota_of
from app.images.upload.usage_repository import Usage, UsageRepository
from app.models import ApiKey, SocialIdentity, User, UserSession
from app.users.api_keys.repository import ApiKeyRepository
from app.users.sessions.repository import MAX_SESSIONS, UserSessionRepository
from app.users.social.repository import IdentityRepository

MAX_KEYS = 200


@dataclass(frozen=True, slots=True)
class AccountView:
    """The contents of the page. `quota` is in bytes; None if there is none."""

    usage: Usage
    quota: int | None
    sessions: Sequence[UserSession]
    api_keys: Sequence[ApiKey]
    identities: Sequence[SocialIdentity]


class AccountOverview:
    """Reads what an account owns."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database, self._settings = database, settings

    async def read(self, user: User) -> AccountView:
        """Return the view of the account: all sessions and identities, and the newest MAX_KEYS keys."""
        async with self._database.read_session() as session:
            return AccountView(
                usage=await UsageRepository(session).get(user.id),
                quota=quota_of(user, self._settings),
                sessions=await UserSessionRepository(session).list_newest(user.id, None, MAX_SESSIONS),
                api_keys=await ApiKeyRepository(session).list_newest(user.id, None, MAX_KEYS),
                identities=await IdentityRepository(session).list_all(user.id),
            )
