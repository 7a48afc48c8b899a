"""Runs search statements with asyncpg directly, on the connection of a session.

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

# The key in `session.info` of the callback that runs after each statement of a search.
ON_ANSWER = "on_answer"
_DRIVER = "driver"


async def fetch(session: AsyncSession, statement: str, values: Sequence[Any]) -> list[asyncpg.Record]:
    """Run one statement with the placeholders `$1`, `$2`, ..., and return all rows.

    Raises DatabaseUnavailable and asyncpg.PostgresError, which the session's block translates. Another interruption
    invalidates the connection, as it does in SQLAlchemy.
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
            # The response violates the protocol: a message was cut, or the server is not PostgreSQL.
            raise DatabaseUnavailable from error
        raise
    count_statement(time.perf_counter() - started)
    session.info[ON_ANSWER]()
    return rows


async def fetch_value(session: AsyncSession, statement: str, values: Sequence[Any]) -> Any:
    """Run one statement and return the first value of its first row."""
    return (await fetch(session, statement, values))[0][0]


async def _driver(session: AsyncSession) -> Any:
    """Return the session's connection. Check one out if it has none."""
    if not session.in_transaction():
        await session.connection()
    return session.info[_DRIVER]


def _note_driver(session: Session, _transaction: Any, connection: Any) -> None:
    if ON_ANSWER in session.info:
        session.info[_DRIVER] = connection.connection.driver_connection


event.listen(Session, "after_begin", _note_driver)
