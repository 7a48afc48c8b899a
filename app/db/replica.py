"""Searches on a standby, never on older data than the primary has acknowledged. See docs/decisions/0013.

Before a search the primary is asked how far its log is on the disk: every write that anybody was told of lies before
that. The standby is used once it has replayed as much; when that takes too long, or when it is away, the primary
searches itself. So who reads from a standby sees their own writes, and everybody else's, on whatever worker they were
made; and what is cached is as new as it would be without one.
"""

import asyncio
from contextlib import AsyncExitStack

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from app.core.errors import DatabaseUnavailable
from app.db.circuit_breaker import CircuitBreaker

# Streaming takes a few milliseconds; a search that waits for longer is quicker on the primary.
LOOKS = 5
PAUSE_SECONDS = 0.01
LOG_POSITION = text("SELECT pg_current_wal_flush_lsn()::text")
# NULL on a server that is no standby.
_HAS_REPLAYED = text("SELECT pg_last_wal_replay_lsn() >= CAST(CAST(:position AS text) AS pg_lsn)")


class Replica:
    """The connections to one standby; it may be away at any time."""

    def __init__(
        self, engine: AsyncEngine, sessions: async_sessionmaker[AsyncSession], breaker: CircuitBreaker
    ) -> None:
        self._engine = engine
        self._sessions = sessions
        self._breaker = breaker
        self._breaker.watch(engine)

    async def enter(self, stack: AsyncExitStack, position: str) -> AsyncSession | None:
        """Return a session that ends with the stack, on a standby that has replayed the log so far; None without one.

        `position` is a place in the log, as LOG_POSITION tells it.
        """
        try:
            async with AsyncExitStack() as own:
                await own.enter_async_context(self._breaker.guard())
                session = await own.enter_async_context(self._sessions())
                if not await _has_replayed(session, position):
                    return None
                await stack.enter_async_context(own.pop_all())
                return session
        except (DatabaseUnavailable, OSError, TimeoutError, DBAPIError, PoolTimeout):
            return None

    async def close(self) -> None:
        """Close every connection."""
        await self._breaker.close()
        await self._engine.dispose()


async def _has_replayed(session: AsyncSession, position: str) -> bool:
    for _ in range(LOOKS):
        if await session.scalar(_HAS_REPLAYED, {"position": position}):
            return True
        await asyncio.sleep(PAUSE_SECONDS)
    return False
