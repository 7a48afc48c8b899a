"""The database: connection pool, unit of work, and the one place that turns driver errors into ours."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import asyncpg
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError, DisconnectionError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import AsyncAdaptedQueuePool

from app.core.callers import current_caller
from app.core.errors import (
    AppError,
    DatabaseBusy,
    DatabaseUnavailable,
    EmailTaken,
    IdentityTaken,
    InvalidToken,
    NameTaken,
    QueryTimeout,
    SocialLoginFailed,
    TagExists,
)
from app.core.fair_queue import FairQueue
from app.core.observability.request_counters import count_statement
from app.core.settings import Settings
from app.db.asyncpg_queries import ON_ANSWER
from app.db.cache_invalidation import InvalidationTracker, invalidates_only
from app.db.circuit_breaker import CircuitBreaker
from app.db.connection_queues import pool_limits, writer_limits
from app.db.replica import LOG_POSITION, Replica

CONNECT_TIMEOUT = 1.5
# A wait for a connection means load, not a server that is down.
POOL_TIMEOUT = 5
# Of a single statement on a server that lives; the breaker tells one that does not.
COMMAND_TIMEOUT = 10
# After which a connection ends whose packets nobody acknowledges: one that the network has forgotten, while the server
# answers others. By the operating system, where it has these options (Linux; see tcp(7)).
SILENCE_SECONDS = 2
_SILENCE_OPTIONS = (
    ("SO_KEEPALIVE", socket.SOL_SOCKET, 1),
    ("TCP_KEEPIDLE", socket.IPPROTO_TCP, 1),
    ("TCP_KEEPINTVL", socket.IPPROTO_TCP, 1),
    ("TCP_USER_TIMEOUT", socket.IPPROTO_TCP, SILENCE_SECONDS * 1000),
)
# The same seen from the server. A worker that is frozen, or whose machine is gone, says nothing: what it had locked is
# free again, and its connections are given to others, after so long. No unit of work leaves its connection idle for
# longer: the longest waits while the object store deletes a batch.
_IDLE_TIMEOUTS = {
    "idle_in_transaction_session_timeout": "60s",
    "tcp_keepalives_idle": "60",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
# An exported snapshot is a small file in the data directory, deleted at the end of its transaction. It needs a free
# block, as every change does, and no table, transaction id or log entry.
_CHECK_WRITABLE = text("SELECT current_setting('transaction_read_only') FROM (SELECT pg_export_snapshot()) AS written")
LOCK_WAIT = "'2s'"
_TRY_LOCK = text("SELECT pg_try_advisory_xact_lock(:lock)")
# Of anything else: sooner than a statement's own limit, by which a server would look down that is only busy.
_LONGEST_LOCK_WAIT = {"lock_timeout": "8s"}
# Of a connection. Searches have many shapes; one that is not prepared yet costs a round trip more.
PREPARED_STATEMENTS = 500

# Violations that are an answer to the client, by the constraint's name. The accounts may go while they are used.
CONFLICTS: Mapping[str, type[AppError]] = {
    "uq_users_email": EmailTaken,
    "ix_users_email_key": EmailTaken,
    "uq_images_name": NameTaken,
    "uq_tags_name": TagExists,
    "uq_users_token": SocialLoginFailed,
    "pk_social_identities": IdentityTaken,
    "fk_sessions_user_id_users": InvalidToken,
    "fk_api_keys_user_id_users": InvalidToken,
    "fk_social_sign_ins_session_id_sessions": InvalidToken,
    "fk_social_identities_user_id_users": InvalidToken,
    "fk_images_uploaded_by_users": InvalidToken,
}
# SQLSTATE classes (PostgreSQL manual, appendix A) that mean that the server is not there to answer.
_CONNECTION_ERRORS = ("08", "53", "57P", "58")
_CANCELED = "57014"
_RETRYABLE = ("40001", "40P01", "55P03")  # serialization failure, deadlock, lock not available
# A plan is made for the values at hand, not for any; and the indexes are used, as the search has reckoned with: from
# memory, where one page costs about what another does. One search takes one processor: starting others to help it takes
# longer than most searches do, and takes them from everybody else.
_SEARCH_SETTINGS = {
    "plan_cache_mode": "force_custom_plan",
    "enable_seqscan": "off",
    "random_page_cost": "0.25",
    "seq_page_cost": "0.2",
    "max_parallel_workers_per_gather": "0",
}


class Database:
    """The pool of connections to PostgreSQL. Opening it connects to nothing: a database that is down stops no start."""

    def __init__(self, settings: Settings) -> None:
        # Told which answers a unit of work has changed, after its commit and before anybody is told of it.
        self.on_commit: Callable[[Collection[str]], Awaitable[None]] | None = None
        self._breaker = CircuitBreaker()
        connections = settings.database_pool_size + settings.database_max_overflow
        self.pool_queue = FairQueue("connections", pool_limits(connections, POOL_TIMEOUT), DatabaseBusy)
        self.writer_queue = FairQueue("changes", writer_limits(connections, POOL_TIMEOUT), DatabaseBusy)
        self.engine = self._open(settings, settings.database_pool_size, settings.database_max_overflow, {})
        # Searches have connections of their own: however many there are, and however long they take within their time,
        # the rest of the service finds a connection free.
        self._search_seconds = settings.search_timeout_ms / 1000
        self.search_settings = {"statement_timeout": str(settings.search_timeout_ms), **_SEARCH_SETTINGS}
        self.search_engine = self._open(settings, settings.database_search_pool_size, 0, self.search_settings)
        self._aside_engine = self._open(settings, 1, 0, {}).execution_options(isolation_level="AUTOCOMMIT")
        self._asides = async_sessionmaker(self._aside_engine, expire_on_commit=False)
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)
        # Reads need no transaction: a statement a round trip instead of three.
        reading = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._readers = async_sessionmaker(reading, expire_on_commit=False)
        self._searchers = _search_sessions(self.search_engine, self._breaker)
        self._replica = self._open_replica(settings) if settings.sqlalchemy_replica_url else None

    def _open(self, settings: Settings, size: int, overflow: int, server_settings: Mapping[str, str]) -> AsyncEngine:
        engine = _engine(settings.sqlalchemy_url, size, overflow, server_settings)
        self._breaker.watch(engine)
        return engine

    def _open_replica(self, settings: Settings) -> Replica:
        size = settings.database_search_pool_size
        engine = _engine(settings.sqlalchemy_replica_url, size, 0, self.search_settings)
        breaker = CircuitBreaker()
        return Replica(engine, _search_sessions(engine, breaker), breaker)

    @asynccontextmanager
    async def unit_of_work(self) -> AsyncIterator[AsyncSession]:
        """Yield a session that is committed when the block ends, rolled back when it raises."""
        async with self._in_writer_queue(), self._publish_invalidations() as changes:
            sessions = self._sessions(info={"changes": changes})
            async with translate_errors(), self._breaker.guard(), sessions as session, session.begin():
                yield session

    @asynccontextmanager
    async def advisory_locked(self, lock: int) -> AsyncIterator[AsyncSession | None]:
        """Yield a unit of work that changes nothing that anybody is told; None while another has this advisory lock."""
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
    async def _in_writer_queue(self) -> AsyncIterator[None]:
        """Wait for a place among the changes, then for a connection; a change may have to wait for a lock with both."""
        caller = current_caller.get()
        async with self.writer_queue.enter(caller), self.pool_queue.enter(caller):
            yield

    @asynccontextmanager
    async def health_session(self) -> AsyncIterator[AsyncSession]:
        """Yield a session for a short read on the one connection that requests do not use.

        For what the service asks for itself: that all connections are at work must not look like a server that is down.
        """
        async with translate_errors(), self._breaker.guard(), self._asides() as session:
            yield session

    @asynccontextmanager
    async def autocommit_session(self) -> AsyncIterator[AsyncSession]:
        """Yield a session for a write that is one statement, which commits itself: one round trip instead of three."""
        async with self._in_writer_queue(), self._publish_invalidations() as changes:
            sessions = self._readers(info={"changes": changes})
            async with translate_errors(), self._breaker.guard(), sessions as session:
                yield session

    @asynccontextmanager
    async def _publish_invalidations(self) -> AsyncIterator[InvalidationTracker]:
        """Tell what the block has changed when it ends."""
        changes = InvalidationTracker()
        try:
            yield changes
        finally:
            # Also when it failed: of a commit whose answer got lost nobody knows whether it happened.
            if self.on_commit and changes.scopes:
                await asyncio.shield(self.on_commit(changes.scopes))

    @asynccontextmanager
    async def search_session(self, seconds: float | None = None) -> AsyncIterator[AsyncSession]:
        """Yield a session for searches: as `reader`, but the whole block ends in time. Raises QueryTimeout.

        On the standby, where there is one that is as far as the primary. The statements have the same limit on the
        server, which would not notice a client that is gone.
        """
        try:
            async with (
                asyncio.timeout(seconds or self._search_seconds),
                translate_errors(),
                self._breaker.guard(),
                AsyncExitStack() as stack,
            ):
                replica = await self._enter_replica(stack)
                yield await stack.enter_async_context(self._searchers()) if replica is None else replica
        except TimeoutError as error:
            raise QueryTimeout from error

    async def _enter_replica(self, stack: AsyncExitStack) -> AsyncSession | None:
        if self._replica is None:
            return None
        async with self._readers() as session:
            position = str(await session.scalar(LOG_POSITION))
        return await self._replica.enter(stack, position)

    async def ping(self) -> None:
        """Ask the server for a sign of life. Raises DatabaseUnavailable."""
        async with self.health_session() as session:
            await session.execute(text("SELECT 1"))

    async def check_writable(self) -> None:
        """Have the server write to its disk. Raises DatabaseUnavailable if it cannot, or accepts no changes."""
        async with self.health_session() as session:
            if await session.scalar(_CHECK_WRITABLE) == "on":
                raise DatabaseUnavailable("The database is read-only")

    async def warm_up(self, connections: int) -> None:
        """Open so many connections, which stay in the pool. Raises DatabaseUnavailable."""
        async with translate_errors(), AsyncExitStack() as stack:
            for _ in range(connections):
                await stack.enter_async_context(self.engine.connect())

    def connections_in_use(self) -> int:
        """Return how many connections of this worker's pool are at work."""
        pools = (self.engine.pool, self.search_engine.pool)
        return sum(pool.checkedout() for pool in pools if isinstance(pool, AsyncAdaptedQueuePool))

    @property
    def is_open(self) -> bool:
        """Whether requests are refused at once, since the server does not answer."""
        return self._breaker.is_open

    async def close(self) -> None:
        """Close every connection."""
        await self._breaker.close()
        await self.engine.dispose()
        await self.search_engine.dispose()
        await self._aside_engine.dispose()
        if self._replica:
            await self._replica.close()


def has_idle_connection(session: AsyncSession) -> bool:
    """Tell whether another session of this one's kind would have a connection at once."""
    pool = session.bind.pool if isinstance(session.bind, AsyncEngine) else None
    return isinstance(pool, AsyncAdaptedQueuePool) and pool.checkedout() < pool.size()


def _search_sessions(engine: AsyncEngine, breaker: CircuitBreaker) -> async_sessionmaker[AsyncSession]:
    searching = engine.execution_options(isolation_level="AUTOCOMMIT")
    return async_sessionmaker(searching, expire_on_commit=False, info={ON_ANSWER: breaker.see})


def _engine(url: str, size: int, overflow: int, server_settings: Mapping[str, str]) -> AsyncEngine:
    common = {"application_name": "imts", "timezone": "UTC", "jit": "off", **_IDLE_TIMEOUTS, **_LONGEST_LOCK_WAIT}
    engine = create_async_engine(
        url,
        pool_size=size,
        max_overflow=overflow,
        pool_timeout=POOL_TIMEOUT,
        pool_use_lifo=True,
        hide_parameters=True,  # they would end in the logs: password hashes, addresses
        connect_args={
            "timeout": CONNECT_TIMEOUT,
            "command_timeout": COMMAND_TIMEOUT,
            "prepared_statement_cache_size": PREPARED_STATEMENTS,
            "statement_cache_size": PREPARED_STATEMENTS,
            "max_cached_statement_lifetime": 0,
            "server_settings": {**common, **server_settings},
        },
    )
    event.listen(engine.sync_engine, "connect", _bound_silence)
    event.listen(engine.sync_engine, "checkout", _refuse_closed)
    event.listen(engine.sync_engine, "before_cursor_execute", _start_clock)
    event.listen(engine.sync_engine, "after_cursor_execute", _count_statement)
    return engine


async def set_lock_timeout(session: AsyncSession, *, briefly: bool = True) -> None:
    """Have what follows in the unit of work wait two seconds at most for a lock; then it raises DatabaseBusy.

    For what may meet a change of very many rows, which holds its locks for minutes.
    """
    await session.execute(text(f"SET LOCAL lock_timeout = {LOCK_WAIT if briefly else 'DEFAULT'}"))


@asynccontextmanager
async def translate_errors() -> AsyncIterator[None]:
    """Turn what SQLAlchemy and asyncpg raise into AppErrors, where it is an answer and not a bug."""
    try:
        yield
    except IntegrityError as error:
        conflict = CONFLICTS.get(_constraint(error))
        if conflict is None:
            raise
        raise conflict from error
    except DBAPIError as error:
        # Without a statement it happened while connecting, or at a commit: whatever the code, the server is at fault. A
        # full disk, a dropped database and a changed password each have codes of their own.
        is_unavailable = error.connection_invalidated or error.statement is None
        answer = DatabaseUnavailable() if is_unavailable else _to_app_error(_sqlstate(error))
        if answer is None:
            raise
        raise answer from error
    # What runs by the driver itself, see `driver`.
    except asyncpg.PostgresError as error:
        answer = _to_app_error(error.sqlstate or "")
        if answer is None:
            raise
        raise answer from error
    except PoolTimeout as error:
        raise DatabaseBusy("All database connections are in use. Try again.") from error
    # A server that refuses or ignores the connection shows as bare OSError or TimeoutError, not as a DBAPIError.
    except (OSError, TimeoutError) as error:
        raise DatabaseUnavailable from error


def _bound_silence(connection: Any, _record: Any) -> None:
    # The driver has no public way to its socket.
    opened = connection.driver_connection._transport.get_extra_info("socket")  # noqa: SLF001
    if opened.family == socket.AF_UNIX:
        return
    for name, level, value in _SILENCE_OPTIONS:
        if option := getattr(socket, name, None):
            opened.setsockopt(level, option, value)


def _refuse_closed(connection: Any, _record: Any, _proxy: Any) -> None:
    """Have the pool replace a connection that the server closed meanwhile; costs nothing, unlike a ping."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError


def _watch_changes(session: Session, _transaction: Any, connection: Any) -> None:
    connection.info["changes"] = session.info.get("changes")


def _start_clock(connection: Any, _cursor: Any, sql: str, _values: Any, context: Any, _many: bool) -> None:
    if changes := connection.info.get("changes"):
        changes.note(sql)
    context.started_at = time.perf_counter()


def _count_statement(_connection: Any, _cursor: Any, _sql: str, _values: Any, context: Any, _many: bool) -> None:
    count_statement(time.perf_counter() - context.started_at)


def _constraint(error: IntegrityError) -> str:
    cause = getattr(error.orig, "__cause__", None)
    return getattr(cause, "constraint_name", None) or ""


def _to_app_error(sqlstate: str) -> AppError | None:
    """Return what an error of the server's is to the client; None for a bug."""
    if sqlstate.startswith(_CONNECTION_ERRORS):
        return DatabaseUnavailable()
    if sqlstate == _CANCELED:
        return QueryTimeout()
    if sqlstate in _RETRYABLE:
        return DatabaseBusy("Other changes were in the way; try again")
    return None


def _sqlstate(error: DBAPIError) -> str:
    return getattr(error.orig, "sqlstate", None) or ""


event.listen(Session, "after_begin", _watch_changes)
