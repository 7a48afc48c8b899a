"""The quota of an account: the bytes that its images and its uploads in progress may use together.

An upload reserves its bytes with its key on the orphan list, before it sends them to the object store. The transaction
that writes the image removes the key from the list, and a trigger counts the image. The sum stays the same, so nothing
is checked there. An upload that fails or is killed frees its bytes when its key leaves the list.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.settings import ImageSettings
from app.db.asyncpg_queries import SessionRunner, StatementRunner
from app.db.database import Database
from app.images.errors import StorageQuotaExceeded
from app.images.upload.usage_repository import ReservationRepository, Usage, UsageRepository
from app.models import User
from app.storage.chunks import length


def quota_of(user: User, settings: ImageSettings) -> int | None:
    """Return the quota that applies to the account, in bytes; None if there is none."""
    return settings.max_bytes_per_user if user.quota_bytes is None else user.quota_bytes


class Reservation:
    """The bytes of one upload by `user`, or by no account."""

    def __init__(self, database: Database, settings: ImageSettings, user: User | None) -> None:
        self._database = database
        self._default = settings.max_bytes_per_user
        self._user = user
        self._is_limited = user is not None and quota_of(user, settings) is not None
        self._key: str | None = None
        self._size = 0

    @classmethod
    def resume(cls, database: Database, settings: ImageSettings, user: User | None, key: str, size: int) -> Self:
        """Return the reservation of an upload that continues, of `size` bytes until now."""
        reservation = cls(database, settings, user)
        reservation._key, reservation._size = key, size
        return reservation

    @property
    def keys(self) -> list[str]:
        """The key that was reserved, or that a failed commit may have reserved."""
        return [] if self._key is None else [self._key]

    async def require_space(self) -> None:
        """Refuse an upload at once if the quota is used up. Raises StorageQuotaExceeded."""
        if self._user is not None and self._is_limited:
            async with self._database.read_session() as session:
                usage = await UsageRepository(session).get(self._user.id)
            quota = self._default if self._user.quota_bytes is None else self._user.quota_bytes
            _check(usage, 1, quota)

    @asynccontextmanager
    async def checked(self, key: str, size: int) -> AsyncIterator[StatementRunner]:
        """Yield what runs the one statement that reserves `size` bytes for the key. Raises StorageQuotaExceeded."""
        self._key = key
        if self._user is None or not self._is_limited:
            async with self._database.autocommit_connection() as connection:
                yield connection
        else:
            async with self._database.unit_of_work() as session:
                await self._require(session, self._user, size - self._size)
                yield SessionRunner(session)
        self._size = size

    async def reserve(self, key: str, size: int) -> None:
        """List the key as orphaned and reserve `size` bytes for it. Raises StorageQuotaExceeded."""
        async with self.checked(key, size) as statements:
            await ReservationRepository(statements).reserve(key, self._user.id if self._user else None, size)

    async def reserve_parts(self, parts: AsyncIterator[list[bytes]]) -> AsyncIterator[list[bytes]]:
        """Yield the parts of the upload, each once it is reserved. Raises StorageQuotaExceeded."""
        size = 0
        async for part in parts:
            size += length(part)
            await self.extend(size)
            yield part
            # Not held while the next one is gathered.
            del part

    async def extend(self, size: int) -> None:
        """Reserve `size` bytes in all. Raises StorageQuotaExceeded."""
        if self._user is None or self._key is None or size <= self._size:
            return
        # Without a limit, it is only shown and never checked: few statements suffice.
        size = size if self._is_limited else 2 * size
        async with self.checked(self._key, size) as statements:
            await ReservationRepository(statements).extend(self._key, size)

    async def _require(self, session: AsyncSession, user: User, more: int) -> None:
        usage = UsageRepository(session)
        account_quota = await usage.lock_quota(user.id)
        # After the lock: a statement sees what was committed before it.
        _check(await usage.get(user.id), more, self._default if account_quota is None else account_quota)


def _check(usage: Usage, more: int, quota: int | None) -> None:
    if quota is not None and usage.counted + more > quota:
        left = max(0, quota - usage.counted)
        raise StorageQuotaExceeded(
            f"The account has {left} of {quota} bytes left.", quota_bytes=quota, available_bytes=left
        )
