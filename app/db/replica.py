"""Runs searches on a standby, never on older data than the primary has acknowledged. See docs/decisions/0013.

Before a search, the primary returns the flushed position of its log. Every acknowledged write precedes that position.
The search uses the standby if it has replayed the log to the position. If that takes too long, or the standby does not
respond, the search uses the primary. Readers see all acknowledged writes of all workers, and cached responses are as
recent as without a standby.
"""

import asyncio
from contextlib import AsyncExitStack

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from app.core.errors import DatabaseUnavailable
from app.db.circuit_breaker import CircuitBreaker

# Streaming takes a few milliseconds. A search that would wait for longer is faster on the primary.
LOOKS = 5
PAUSE_SECONDS = 0.01
LOG_POSITION = text("SELECT pg_current_wal_flush_lsn()::text")
# NULL on a server that is not a standby.
_HAS_REPLAYED = text("SELECT pg_last_wal_replay_lsn() >= CAST(CAST(:position AS text) AS pg_lsn)")


class Replica:
    """The connections to one standby, which may be unavailable at any time."""

    def __init__(
        self, engine: AsyncEngine, sessions: async_sessionmaker[AsyncSession], breaker: CircuitBreaker
    ) -> None:
        self._engine = engine
        self._sessions = sessions
        self._breaker = breaker
        self._breaker.watch(engine)

    async def enter(self, stack: AsyncExitStack, position: str) -> AsyncSession | None:
        """Return a session that ends with the stack; None unless the standby has replayed the log to `position`.

        `position` is a result of LOG_POSITION.
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
