"""Search statements by asyncpg itself, on the connection of a session.

See docs/performance/notes/range-scans-and-the-driver.md.
"""

import time
from collections.abc import Sequence
from typing import Any

import asyncpg
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from app.core.errors import DatabaseUnavailable
from app.core.observability.request_counters import count_statement

# Under this key a search's session holds what is told of each statement that has ended.
ON_ANSWER = "on_answer"
_DRIVER = "driver"


async def fetch(session: AsyncSession, statement: str, values: Sequence[Any]) -> list[asyncpg.Record]:
    """Run one statement, with `$1` and so on for its values, and return all rows.

    Raises DatabaseUnavailable, and asyncpg.PostgresError, which the session's block translates. A statement that is
    broken off otherwise takes its connection with it, as SQLAlchemy's own do.
    """
    driver = await _driver(session)
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
        await (await session.connection()).invalidate()
        if isinstance(error, asyncpg.InternalClientError):
            # What came is no PostgreSQL: the sentence was cut, or another server speaks there.
            raise DatabaseUnavailable from error
        raise
    count_statement(time.perf_counter() - started)
    session.info[ON_ANSWER]()
    return rows


async def fetch_value(session: AsyncSession, statement: str, values: Sequence[Any]) -> Any:
    """Run one statement and return the one value that it says."""
    return (await fetch(session, statement, values))[0][0]


async def _driver(session: AsyncSession) -> Any:
    """Return the connection that the session has, or takes now."""
    if not session.in_transaction():
        await session.connection()
    return session.info[_DRIVER]


def _note_driver(session: Session, _transaction: Any, connection: Any) -> None:
    if ON_ANSWER in session.info:
        session.info[_DRIVER] = connection.connection.driver_connection


event.listen(Session, "after_begin", _note_driver)
