"""Creates the engines: timeouts, server settings, and event listeners of each connection."""

import socket
import time
from collections.abc import Callable, Mapping
from typing import Any

import asyncpg
from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.orm import Session

from app.core.observability.request_counters import count_statement
from app.db.circuit_breaker import ON_ANSWER

CONNECT_TIMEOUT = 1.5
# Waiting for a connection means load, not a server that is down.
POOL_TIMEOUT = 5
# Of a single statement on a server that responds; the circuit breaker detects one that does not.
COMMAND_TIMEOUT = 10
# Shorter than the statement timeout, so that lock contention is reported as `busy`, not as an outage.
LOCK_TIMEOUT = "8s"
# The limit for each connection. Searches have many shapes, and preparing one costs a round trip.
PREPARED_STATEMENTS = 500
# A connection ends if its packets are not acknowledged within this time, because the network has dropped it. An
# operating system with these options enforces it (Linux; see tcp(7)).
SILENCE_SECONDS = 2
_SILENCE_OPTIONS = (
    ("SO_KEEPALIVE", socket.SOL_SOCKET, 1),
    ("TCP_KEEPIDLE", socket.IPPROTO_TCP, 1),
    ("TCP_KEEPINTVL", socket.IPPROTO_TCP, 1),
    ("TCP_USER_TIMEOUT", socket.IPPROTO_TCP, SILENCE_SECONDS * 1000),
)
# The same limits on the server. It then releases the locks and connections of a frozen worker or a lost machine. No
# unit of work leaves its connection idle for longer; the longest one waits while the object store deletes a batch.
_IDLE_TIMEOUT = {"idle_in_transaction_session_timeout": "60s"}
# A pooler has its own connections to the server, and settings for them.
_KEEPALIVES = {
    "tcp_keepalives_idle": "60",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
# A pooler tracks these for each client, and PgBouncer refuses any other on connecting.
_TRACKED_PARAMETERS = ("application_name", "timezone")
# Each plan is made for the actual values and uses the indexes, as the cost model of the search assumes. The indexes are
# in memory, where all pages cost about the same. A search uses one processor: starting parallel workers takes longer
# than most searches, and takes processors from other clients.
SEARCH_SETTINGS = {
    "plan_cache_mode": "force_custom_plan",
    "enable_seqscan": "off",
    "random_page_cost": "0.25",
    "seq_page_cost": "0.2",
    "max_parallel_workers_per_gather": "0",
}


def make_engine(
    url: str, size: int, overflow: int, server_settings: Mapping[str, str], *, is_pooled: bool
) -> AsyncEngine:
    """Create an engine; it opens no connection yet. `server_settings` are PostgreSQL's run-time parameters.

    With `is_pooled`, the server is a pooler that assigns a connection to each transaction.
    """
    common = {"application_name": "imts", "timezone": "UTC", "jit": "off", "lock_timeout": LOCK_TIMEOUT}
    parameters = {**common, **_IDLE_TIMEOUT, **server_settings}
    engine = create_async_engine(
        url,
        pool_size=size,
        max_overflow=overflow,
        pool_timeout=POOL_TIMEOUT,
        pool_use_lifo=True,
        hide_parameters=True,  # password hashes and addresses must not reach the logs
        connect_args={
            "timeout": CONNECT_TIMEOUT,
            "command_timeout": COMMAND_TIMEOUT,
            **(_pooled_arguments(parameters) if is_pooled else _session_arguments(parameters)),
        },
    )
    event.listen(engine.sync_engine, "connect", _bound_silence)
    event.listen(engine.sync_engine, "checkout", _refuse_closed)
    # Not the events of a cursor: with a listener for those, each connection joins two registries, which takes longer
    # than the statement itself.
    event.listen(engine.sync_engine, "do_execute", _execute)
    event.listen(engine.sync_engine, "do_executemany", _execute_many)
    return engine


def _session_arguments(parameters: Mapping[str, str]) -> dict[str, Any]:
    return {
        "prepared_statement_cache_size": PREPARED_STATEMENTS,
        "statement_cache_size": PREPARED_STATEMENTS,
        "max_cached_statement_lifetime": 0,
        "server_settings": {**parameters, **_KEEPALIVES},
    }


def _pooled_arguments(parameters: Mapping[str, str]) -> dict[str, Any]:
    settings = "".join(
        f" SET LOCAL {name} = '{value}';" for name, value in parameters.items() if name not in _TRACKED_PARAMETERS
    )

    class Connection(_PooledConnection):
        __slots__ = ()
        settings_of_transaction = settings

    return {
        "connection_class": Connection,
        "prepared_statement_cache_size": 0,
        "statement_cache_size": 0,
        # With an empty name, a statement is parsed in the message that executes it, and leaves nothing on the server.
        "prepared_statement_name_func": str,
        "server_settings": {name: parameters[name] for name in _TRACKED_PARAMETERS},
    }


class _PooledConnection(asyncpg.Connection):  # type: ignore[misc]
    """A connection to a pooler, behind which no state of a session lasts. See docs/decisions/0024.

    `settings_of_transaction` are the statements after each BEGIN. A statement outside of a transaction gets one.
    """

    __slots__ = ()
    settings_of_transaction = ""

    async def execute(self, query: str, *args: Any, **options: Any) -> str:
        """Run a statement. The driver begins transactions with it: the settings cost no round trip."""
        if query.startswith("BEGIN"):
            query += self.settings_of_transaction
        return str(await super().execute(query, *args, **options))

    async def fetch(self, query: str, *args: Any, **options: Any) -> Any:
        """Run a statement and return its rows."""
        if self.is_in_transaction():
            return await super().fetch(query, *args, **options)
        async with self.transaction():
            return await super().fetch(query, *args, **options)


def _bound_silence(connection: Any, _record: Any) -> None:
    # The driver has no public access to its socket.
    opened = connection.driver_connection._transport.get_extra_info("socket")  # noqa: SLF001
    if opened.family == socket.AF_UNIX:
        return
    for name, level, value in _SILENCE_OPTIONS:
        if option := getattr(socket, name, None):
            opened.setsockopt(level, option, value)


def _refuse_closed(connection: Any, _record: Any, _proxy: Any) -> None:
    """Have the pool replace a connection that the server has closed; unlike a ping, this costs nothing."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError


def _watch_changes(session: Session, _transaction: Any, connection: Any) -> None:
    connection.info["changes"] = session.info.get("changes")


def _execute(cursor: Any, sql: str, values: Any, context: Any) -> bool:
    return _run(cursor.execute, sql, values, context)


def _execute_many(cursor: Any, sql: str, values: Any, context: Any) -> bool:
    return _run(cursor.executemany, sql, values, context)


def _run(execute: Callable[[str, Any], Any], sql: str, values: Any, context: Any) -> bool:
    """Run a statement in place of SQLAlchemy, which does nothing more if this returns True."""
    connection = context.root_connection
    if not connection.in_transaction():
        # A statement of the dialect on a new connection belongs to no request.
        return False
    info = connection.info
    if changes := info.get("changes"):
        changes.note(sql)
    started = time.perf_counter()
    execute(sql, values)
    count_statement(time.perf_counter() - started)
    if on_answer := info.get(ON_ANSWER):
        on_answer()
    return True


event.listen(Session, "after_begin", _watch_changes)
