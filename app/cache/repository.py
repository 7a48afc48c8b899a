"""SQL of the row that enables and disables the response cache for all workers."""

import uuid
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

# PostgreSQL computes the duration, so that no worker compares its clock with the server's.
_COLUMNS = "namespace, epoch, redis_run_id, extract(epoch FROM usable_from - clock_timestamp())::float8"
_GET = text(f"SELECT {_COLUMNS} FROM cache_state")  # noqa: S608 - of constants
_DISABLE = text(f"""
    UPDATE cache_state SET epoch = epoch + 1, redis_run_id = coalesce(:redis_run_id, redis_run_id),
        usable_from = clock_timestamp() + make_interval(secs => :seconds)
    RETURNING {_COLUMNS}""")  # noqa: S608 - of constants


class CacheStatus(NamedTuple):
    """The row; the cache stays disabled for another `disabled_seconds`, and is usable if they are not positive."""

    namespace: uuid.UUID
    epoch: int
    redis_run_id: str | None
    disabled_seconds: float


class CacheStateRepository:
    """Reads and changes the only row of `cache_state`."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self) -> CacheStatus:
        """Return the row."""
        return CacheStatus(*(await self._session.execute(_GET)).one())

    async def disable(self, redis_run_id: str | None, seconds: float) -> CacheStatus:
        """Begin a new epoch, usable after `seconds`, with the entries of this Redis process if it is known."""
        values = {"redis_run_id": redis_run_id, "seconds": seconds}
        return CacheStatus(*(await self._session.execute(_DISABLE, values)).one())
