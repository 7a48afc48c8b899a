"""Runs statements with asyncpg directly: in a session, or without one, each in a transaction of its own.

See docs/performance/notes/range-scans-and-the-driver.md and, about statements without a session, small-uploads.md.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol, TypeAlias

import asyncpg
from sqlalchemy import Select, TextClause, event
from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import Session
from sqlalchemy.pool import PoolProxiedConnection
from sqlalchemy.util import greenlet_spawn

from app.core.errors import DatabaseUnavailable
from app.core.observability.request_counters import count_statement
from app.db.cache_invalidation import InvalidationTracker
from app.db.circuit_breaker import ON_ANSWER

_DRIVER = "driver"
_DIALECT = dialect()  # type: ignore[no-untyped-call]


class Statement:
    """A statement with named values, compiled once."""

    def __init__(self, clause: TextClause | Select[Any]) -> None:
        self.clause = clause
        compiled = clause.compile(dialect=_DIALECT)
        self.sql = str(compiled)
        self._names = compiled.positiontup or ()

    def arguments(self, values: Mapping[str, Any]) -> Sequence[Any]:
        """Return the values in the order of the placeholders."""
        return [values[name] for name in self._names]


class StatementRunner(Protocol):
    """Runs statements in a session, or without one. `info` has the tracker of invalidated responses."""

    @property
    def info(self) -> Mapping[Any, Any]:
        """The objects that belong to the unit of work."""
        ...

    async def fetch_one(self, statement: Statement, values: Mapping[str, Any]) -> Sequence[Any] | None:
        """Return the only row of a result, None if it has none."""
        ...

    async def run(self, statement: Statement, values: Mapping[str, Any]) -> None:
        """Run a statement without a result."""
        ...


class SessionRunner:
    """Runs statements in the transaction of a session."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    @property
    def info(self) -> Mapping[Any, Any]:
        """The objects that belong to the session."""
        return self._session.info

    async def fetch_one(self, statement: Statement, values: Mapping[str, Any]) -> Sequence[Any] | None:
        """Return the only row of a result, None if it has none."""
        return (await self._session.execute(statement.clause, values)).one_or_none()

    async def run(self, statement: Statement, values: Mapping[str, Any]) -> None:
        """Run a statement without a result."""
        await self._session.execute(statement.clause, values)


class AutocommitConnection:
    """A connection of the pool. Each statement commits itself. A connection for reads has no tracker."""

    def __init__(self, pooled: PoolProxiedConnection, changes: InvalidationTracker | None) -> None:
        self.info: Mapping[Any, Any] = {"changes": changes}
        self._pooled = pooled
        self._changes = changes

    async def fetch_one(self, statement: Statement, values: Mapping[str, Any]) -> asyncpg.Record | None:
        """Return the only row of a result, None if it has none. Raises asyncpg.PostgresError, DatabaseUnavailable."""
        rows = await self._fetch(statement, values)
        return rows[0] if rows else None

    async def run(self, statement: Statement, values: Mapping[str, Any]) -> None:
        """Run a statement without a result. Raises like `fetch_one`."""
        await self._fetch(statement, values)

    async def _fetch(self, statement: Statement, values: Mapping[str, Any]) -> list[asyncpg.Record]:
        if self._changes is not None:
            self._changes.note(statement.sql)
        driver = self._pooled.driver_connection
        rows = await fetch_from(driver, statement.sql, statement.arguments(values), self._invalidate)
        self._pooled.info[ON_ANSWER]()
        return rows

    async def _invalidate(self) -> None:
        await greenlet_spawn(self._pooled.invalidate)


@asynccontextmanager
async def autocommit_connection(
    engine: AsyncEngine, changes: InvalidationTracker | None
) -> AsyncIterator[AutocommitConnection]:
    """Hold a connection of the pool during the block."""
    pooled = await _check_out(engine)
    try:
        yield AutocommitConnection(pooled, changes)
    finally:
        # The pool may close the connection, which needs a greenlet.
        await greenlet_spawn(pooled.close)


class ReadConnection:
    """A connection that the first statement takes from the pool. Each statement is a transaction of its own."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.bind = engine
        self._pooled: PoolProxiedConnection | None = None

    async def fetch(self, statement: str, values: Sequence[Any]) -> list[asyncpg.Record]:
        """Run one statement and return all rows. Raises like the function `fetch`."""
        if self._pooled is None:
            self._pooled = await _check_out(self.bind)
        rows = await fetch_from(self._pooled.driver_connection, statement, values, self._invalidate)
        self._pooled.info[ON_ANSWER]()
        return rows

    async def rollback(self) -> None:
        """Return the connection to the pool; the next statement takes one again."""
        pooled, self._pooled = self._pooled, None
        if pooled is not None:
            # The pool may close the connection, which needs a greenlet.
            await greenlet_spawn(pooled.close)

    async def _invalidate(self) -> None:
        if self._pooled is not None:
            await greenlet_spawn(self._pooled.invalidate)


# A session takes a tenth of a search's processor time, so searches of the primary have none. See
# docs/performance/notes/search-cost.md.
Reader: TypeAlias = AsyncSession | ReadConnection


async def fetch(session: Reader, statement: str, values: Sequence[Any]) -> list[asyncpg.Record]:
    """Run one statement with the placeholders `$1`, `$2`, ..., and return all rows.

    Raises DatabaseUnavailable and asyncpg.PostgresError, which the session's block translates. Another interruption
    invalidates the connection, as it does in SQLAlchemy.
    """
    if isinstance(session, ReadConnection):
        return await session.fetch(statement, values)

    async def invalidate() -> None:
        await (await session.connection()).invalidate()

    rows = await fetch_from(await _driver(session), statement, values, invalidate)
    session.info[ON_ANSWER]()
    return rows


async def fetch_from(
    driver: Any, statement: str, values: Sequence[Any], invalidate: Callable[[], Awaitable[None]]
) -> list[asyncpg.Record]:
    """Run one statement with a connection of the driver; `invalidate` removes it from the pool. Raises like `fetch`."""
    started = time.perf_counter()
    try:
        rows: list[asyncpg.Record] = await driver.fetch(statement, *values)
    except asyncpg.PostgresError:
        raise
    except asyncpg.InterfaceError as error:
        if driver.is_closed():
            raise DatabaseUnavailable from error
        raise
    except BaseException as error:
        await invalidate()
        if isinstance(error, asyncpg.InternalClientError):
            # The response violates the protocol: a message was cut, or the server is not PostgreSQL.
            raise DatabaseUnavailable from error
        raise
    count_statement(time.perf_counter() - started)
    return rows


async def fetch_value(session: Reader, statement: str, values: Sequence[Any]) -> Any:
    """Run one statement and return the first value of its first row."""
    return (await fetch(session, statement, values))[0][0]


async def _check_out(engine: AsyncEngine) -> PoolProxiedConnection:
    try:
        return await engine.raw_connection()
    except engine.dialect.loaded_dbapi.Error as error:
        # Nothing was asked of the server but a connection.
        raise DatabaseUnavailable from error


async def _driver(session: AsyncSession) -> Any:
    """Return the session's connection. Check one out if it has none."""
    if not session.in_transaction():
        await session.connection()
    return session.info[_DRIVER]


def _note_driver(session: Session, _transaction: Any, connection: Any) -> None:
    if ON_ANSWER in session.info:
        session.info[_DRIVER] = connection.connection.driver_connection


event.listen(Session, "after_begin", _note_driver)
