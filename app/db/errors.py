"""Translates the errors of SQLAlchemy and asyncpg into errors of the service, in one place."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.core.errors import AppError, DatabaseBusy, DatabaseUnavailable, QueryTimeout, error_types

# SQLSTATE classes of a server that cannot serve (PostgreSQL manual, appendix A).
_CONNECTION_ERRORS = ("08", "53", "57P", "58")
_CANCELED = "57014"
_RETRYABLE = ("40001", "40P01", "55P03")  # serialization failure, deadlock, lock not available


@asynccontextmanager
async def translate_errors() -> AsyncIterator[None]:
    """Raise an AppError for each error of SQLAlchemy or asyncpg that is not a bug of the service."""
    try:
        yield
    except IntegrityError as error:
        conflict = _conflict_of(_constraint(error))
        if conflict is None:
            raise
        raise conflict from error
    except DBAPIError as error:
        # Without a statement it happened while connecting or at a commit, and the server is at fault. The SQLSTATE does
        # not show it: a full disk, a dropped database and a changed password have one each.
        is_unavailable = error.connection_invalidated or error.statement is None
        translated = DatabaseUnavailable() if is_unavailable else _to_app_error(_sqlstate(error))
        if translated is None:
            raise
        raise translated from error
    # Statements that `asyncpg_queries` runs without SQLAlchemy.
    except asyncpg.PostgresError as error:
        conflict = _conflict_of(getattr(error, "constraint_name", None) or "")
        translated = conflict() if conflict else _to_app_error(error.sqlstate or "")
        if translated is None:
            raise
        raise translated from error
    except PoolTimeout as error:
        raise DatabaseBusy("All database connections are in use. Try again.") from error
    # A server that refuses or ignores the connection shows as bare OSError or TimeoutError, not as a DBAPIError.
    except (OSError, TimeoutError) as error:
        raise DatabaseUnavailable from error


def _conflict_of(constraint: str) -> type[AppError] | None:
    return next((kind for kind in error_types() if constraint in vars(kind).get("constraints", ())), None)


def _constraint(error: IntegrityError) -> str:
    cause = getattr(error.orig, "__cause__", None)
    return getattr(cause, "constraint_name", None) or ""


def _to_app_error(sqlstate: str) -> AppError | None:
    """Return the error to report to the client for an SQLSTATE; None for a bug of the service."""
    if sqlstate.startswith(_CONNECTION_ERRORS):
        return DatabaseUnavailable()
    if sqlstate == _CANCELED:
        return QueryTimeout()
    if sqlstate in _RETRYABLE:
        return DatabaseBusy("Other changes were in the way; try again")
    return None


def _sqlstate(error: DBAPIError) -> str:
    return getattr(error.orig, "sqlstate", None) or ""
