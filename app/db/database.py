"""The connections to PostgreSQL: pools, sessions and the unit of work."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
from sqlalchemy.pool import AsyncAdaptedQueuePool

from app.core.callers import current_caller
from app.core.errors import DatabaseBusy, DatabaseUnavailable, QueryTimeout
from app.core.fair_queue import FairQueue
from app.core.settings import DatabaseSettings
from app.db.asyncpg_queries import AutocommitConnection, ReadConnection, Reader, autocommit_connection
from app.db.cache_invalidation import InvalidationTracker, invalidates_only
from app.db.circuit_breaker import ON_ANSWER, CircuitBreaker
from app.db.connection_queues import pool_limits, writer_limits
from app.db.engine import LOCK_TIMEOUT, POOL_TIMEOUT, SEARCH_SETTINGS, make_engine
from app.db.errors import translate_errors
from app.db.replica import LOG_POSITION, Replica

# An exported snapshot is a small file in the data directory, deleted at the end of its transaction. Like every change,
# it needs a free block, but no table, transaction id or log entry.
_CHECK_WRITABLE = text("SELECT current_setting('transaction_read_only') FROM (SELECT pg_export_snapshot()) AS written")
LOCK_WAIT = "2s"
_TRY_LOCK = text("SELECT pg_try_advisory_xact_lock(:lock)")


class Database:
    """The pools of connections to PostgreSQL. Creating them connects to nothing, so the service starts without it."""

    def __init__(self, settings: DatabaseSettings) -> None:
        # Called with the invalidated scopes after the commit, before the client receives the response.
        self.on_commit: Callable[[Collection[str]], Awaitable[None]] | None = None
        self._breaker = CircuitBreaker(_direct_url(settings))
        # Reads need no transaction: one round trip a statement instead of three. Behind a pooler, each one has a
        # transaction with its settings.
        self._read_options = {} if settings.database_pooler else {"isolation_level": "AUTOCOMMIT"}
        connections = settings.database_pool_size + settings.database_max_overflow
        self.pool_queue = FairQueue("connections", pool_limits(connections, POOL_TIMEOUT), DatabaseBusy)
        self.writer_queue = FairQueue("changes", writer_limits(connections, POOL_TIMEOUT), DatabaseBusy)
        self.engine = self._open(settings, settings.database_pool_size, settings.database_max_overflow, {})
        # Searches have their own connections: other requests find a free one, regardless of the number of searches.
        self._search_seconds = settings.search_timeout_ms / 1000
        self.search_settings = {"statement_timeout": str(settings.search_timeout_ms), **SEARCH_SETTINGS}
        self.search_engine = self._open(settings, settings.database_search_pool_size, 0, self.search_settings)
        self._health_engine = self._open(settings, 1, 0, {}).execution_options(**self._read_options)
        self._health_sessions = async_sessionmaker(self._health_engine, expire_on_commit=False)
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)
        reading = self.engine.execution_options(**self._read_options)
        self._readers = async_sessionmaker(reading, expire_on_commit=False)
        self._searchers = self._search_sessions(self.search_engine, self._breaker)
        self._replica = self._open_replica(settings) if settings.sqlalchemy_replica_url else None

    def _open(
        self, settings: DatabaseSettings, size: int, overflow: int, server_settings: Mapping[str, str]
    ) -> AsyncEngine:
        is_pooled = settings.database_pooler
        engine = make_engine(settings.sqlalchemy_url, size, overflow, server_settings, is_pooled=is_pooled)
        self._breaker.watch(engine)
        return engine

    def _open_replica(self, settings: DatabaseSettings) -> Replica:
        size = settings.database_search_pool_size
        is_pooled = settings.database_pooler
        engine = make_engine(settings.sqlalchemy_replica_url, size, 0, self.search_settings, is_pooled=is_pooled)
        breaker = CircuitBreaker("" if is_pooled else None)
        return Replica(engine, self._search_sessions(engine, breaker), breaker)

    def _search_sessions(self, engine: AsyncEngine, breaker: CircuitBreaker) -> async_sessionmaker[AsyncSession]:
        searching = engine.execution_options(**self._read_options)
        return async_sessionmaker(searching, expire_on_commit=False, info={ON_ANSWER: breaker.see})

    @asynccontextmanager
    async def unit_of_work(self) -> AsyncIterator[AsyncSession]:
        """Yield a session that is committed when the block ends, rolled back when it raises."""
        async with self._in_writer_queue(), self._publish_invalidations() as changes:
            sessions = self._sessions(info={"changes": changes})
            async with translate_errors(), self._breaker.guard(), sessions as session, session.begin():
                yield session

    @asynccontextmanager
    async def advisory_locked(self, lock: int) -> AsyncIterator[AsyncSession | None]:
        """Yield a unit of work that invalidates no cached response; None while the advisory lock is held elsewhere."""
        async with self.unit_of_work() as session:
            with invalidates_only(session):
                yield session if await session.scalar(_TRY_LOCK, {"lock": lock}) else None

    @asynccontextmanager
    async def read_session(self) -> AsyncIterator[AsyncSession]:
        """Yield a session for reads: each statement sees what is committed when it starts."""
        queue = self.pool_queue.enter(current_caller.get())
        async with queue, translate_errors(), self._breaker.guard(), self._readers() as session:
            yield session

    @asynccontextmanager
    async def snapshot_session(self) -> AsyncIterator[AsyncSession]:
        """Yield a session for reads that all see the database as of the first one. It holds its connection."""
        snapshots = self.engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        sessions = async_sessionmaker(snapshots, expire_on_commit=False, info={ON_ANSWER: self._breaker.see})
        async with translate_errors(), self._breaker.guard(), sessions() as session:
            yield session

    @asynccontextmanager
    async def _in_writer_queue(self) -> AsyncIterator[None]:
        """Wait for a place among the writers, then for a connection. A writer may hold both while it awaits a lock."""
        caller = current_caller.get()
        async with self.writer_queue.enter(caller), self.pool_queue.enter(caller):
            yield

    @asynccontextmanager
    async def health_session(self) -> AsyncIterator[AsyncSession]:
        """Yield a session for a short read on the one connection that requests do not use.

        For the service's own questions: a pool with no free connection must not look like a server that is down.
        """
        async with translate_errors(), self._breaker.guard(), self._health_sessions() as session:
            yield session

    @asynccontextmanager
    async def autocommit_connection(self) -> AsyncIterator[AutocommitConnection]:
        """Yield a connection for a write of one statement, which commits itself: one round trip instead of three."""
        async with (
            self._in_writer_queue(),
            self._publish_invalidations() as changes,
            translate_errors(),
            self._breaker.guard(),
            autocommit_connection(self.engine, changes) as connection,
        ):
            yield connection

    @asynccontextmanager
    async def read_connection(self) -> AsyncIterator[AutocommitConnection]:
        """Yield a connection for a read without a session."""
        queue, connecting = self.pool_queue.enter(current_caller.get()), autocommit_connection(self.engine, None)
        async with queue, translate_errors(), self._breaker.guard(), connecting as connection:
            yield connection

    @asynccontextmanager
    async def _publish_invalidations(self) -> AsyncIterator[InvalidationTracker]:
        """Publish the invalidated scopes when the block ends."""
        changes = InvalidationTracker()
        try:
            yield changes
        finally:
            # Also after an error: a commit whose confirmation was lost may have happened.
            if self.on_commit and changes.scopes:
                await asyncio.shield(self.on_commit(changes.scopes))

    @asynccontextmanager
    async def search_session(self, seconds: float | None = None) -> AsyncIterator[AsyncSession]:
        """Yield a session for searches. Raises QueryTimeout when the block takes longer than `seconds`.

        It uses the standby if one has caught up with the primary. The server has the same limit for each statement,
        since it does not notice that a client has disconnected.
        """
        async with self._within(seconds), AsyncExitStack() as stack:
            replica = await self._enter_replica(stack)
            yield await stack.enter_async_context(self._searchers()) if replica is None else replica

    @asynccontextmanager
    async def search_reader(self, seconds: float | None = None) -> AsyncIterator[Reader]:
        """Yield a connection to the primary, or a session if there is a standby. Raises like `search_session`."""
        if self._replica is not None:
            async with self.search_session(seconds) as session:
                yield session
            return
        connection = ReadConnection(self.search_engine)
        async with self._within(seconds):
            try:
                yield connection
            finally:
                await connection.rollback()

    @asynccontextmanager
    async def _within(self, seconds: float | None) -> AsyncIterator[None]:
        """Limit the time of a search, and translate its errors."""
        try:
            async with (
                asyncio.timeout(seconds or self._search_seconds),
                translate_errors(),
                self._breaker.guard(),
            ):
                yield
        except TimeoutError as error:
            raise QueryTimeout from error

    async def _enter_replica(self, stack: AsyncExitStack) -> AsyncSession | None:
        if self._replica is None:
            return None
        async with self._readers() as session:
            position = str(await session.scalar(LOG_POSITION))
        return await self._replica.enter(stack, position)

    async def ping(self) -> None:
        """Run a trivial statement. Raises DatabaseUnavailable."""
        async with self.health_session() as session:
            await session.execute(text("SELECT 1"))

    async def check_writable(self) -> None:
        """Have the server write to its disk. Raises DatabaseUnavailable if it cannot, or accepts no changes."""
        async with self.health_session() as session:
            if await session.scalar(_CHECK_WRITABLE) == "on":
                raise DatabaseUnavailable("The database is read-only")

    async def warm_up(self, connections: int) -> None:
        """Open this number of connections, which stay in the pool. Raises DatabaseUnavailable."""
        async with translate_errors(), AsyncExitStack() as stack:
            for _ in range(connections):
                await stack.enter_async_context(self.engine.connect())

    def connections_in_use(self) -> int:
        """Return how many connections of this worker are in use."""
        pools = (self.engine.pool, self.search_engine.pool)
        return sum(pool.checkedout() for pool in pools if isinstance(pool, AsyncAdaptedQueuePool))

    @property
    def is_open(self) -> bool:
        """Whether the circuit breaker is open: requests are refused at once."""
        return self._breaker.is_open

    async def close(self) -> None:
        """Close every connection, the replica's too."""
        await self._breaker.close()
        await self.engine.dispose()
        await self.search_engine.dispose()
        await self._health_engine.dispose()
        if self._replica:
            await self._replica.close()


def _direct_url(settings: DatabaseSettings) -> str | None:
    """Return the address of PostgreSQL behind a pooler; empty if it is not set, None without a pooler."""
    if not settings.database_pooler:
        return None
    return settings.sqlalchemy_direct_url if settings.database_direct_url.get_secret_value() else ""


def has_idle_connection(session: Reader) -> bool:
    """Return whether the pool of this session has another connection free."""
    pool = session.bind.pool if isinstance(session.bind, AsyncEngine) else None
    return isinstance(pool, AsyncAdaptedQueuePool) and pool.checkedout() < pool.size()


async def set_lock_timeout(session: AsyncSession, *, briefly: bool = True) -> None:
    """Let the following statements of the transaction wait two seconds for a lock; then they raise DatabaseBusy.

    For statements that may conflict with a bulk change, which holds its locks for minutes.
    """
    # Not DEFAULT: behind a pooler, that is the server's default.
    await session.execute(text(f"SET LOCAL lock_timeout = '{LOCK_WAIT if briefly else LOCK_TIMEOUT}'"))
