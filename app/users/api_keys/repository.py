"""SQL of the API keys."""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.keyset import Position, newest_first
from app.models import ApiKey, Scope, User
from app.users.errors import ApiKeyNotFound

# If every use were stored, every read request would write.
USE_RESOLUTION = timedelta(minutes=1)


class ValidKey(NamedTuple):
    """A key, its account, and whether its stored last use is older than USE_RESOLUTION."""

    key: ApiKey
    user: User
    is_last_use_stale: bool


class ApiKeyRepository:
    """All SQL about API keys."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(
        self, user_id: uuid.UUID, name: str, digest: bytes, scopes: Sequence[str], expires_at: datetime | None
    ) -> ApiKey:
        """Insert a key."""
        key = ApiKey(user_id=user_id, name=name, key_digest=digest, scopes=list(scopes), expires_at=expires_at)
        self._session.add(key)
        await self._session.flush()
        await self._session.refresh(key)
        return key

    async def count(self, user_id: uuid.UUID) -> int:
        """Return the number of the account's keys, including expired ones."""
        return await self._session.scalar(select(func.count()).where(ApiKey.user_id == user_id)) or 0

    async def find_valid(self, digest: bytes) -> ValidKey | None:
        """Return the key with this digest, unless it has expired or its account is disabled."""
        stale = or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at < func.now() - USE_RESOLUTION)
        statement = select(ApiKey, User, stale).join(User, User.id == ApiKey.user_id).where(ApiKey.key_digest == digest)
        unexpired = or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > func.now())
        row = (await self._session.execute(statement.where(unexpired, User.disabled.is_(False)))).one_or_none()
        return None if row is None else ValidKey(*row)

    async def update_last_use(self, key_id: uuid.UUID) -> None:
        """Set the last use of the key to now."""
        await self._session.execute(update(ApiKey).where(ApiKey.id == key_id).values(last_used_at=func.now()))

    async def list_newest(self, user_id: uuid.UUID, after: Position | None, limit: int) -> Sequence[ApiKey]:
        """Return up to `limit` keys of the account, newest first, after the position."""
        statement = newest_first(select(ApiKey).where(ApiKey.user_id == user_id), ApiKey, after, limit)
        return (await self._session.scalars(statement)).all()

    async def remove(self, user_id: uuid.UUID, key_id: uuid.UUID) -> None:
        """Delete a key of the account. Raises ApiKeyNotFound."""
        removed = delete(ApiKey).where(ApiKey.id == key_id, ApiKey.user_id == user_id).returning(ApiKey.id)
        if await self._session.scalar(removed) is None:
            raise ApiKeyNotFound

    async def remove_all(self, user_id: uuid.UUID) -> None:
        """Delete every key of the account."""
        await self._session.execute(delete(ApiKey).where(ApiKey.user_id == user_id))

    async def remove_scope(self, user_id: uuid.UUID, scope: Scope) -> None:
        """Remove the scope from every key of the account; a key without another scope is deleted."""
        await self._session.execute(delete(ApiKey).where(ApiKey.user_id == user_id, ApiKey.scopes == [scope]))
        statement = update(ApiKey).where(ApiKey.user_id == user_id, ApiKey.scopes.contains([scope]))
        await self._session.execute(statement.values(scopes=func.array_remove(ApiKey.scopes, scope)))
