"""Creates the engines: timeouts, server settings, and event listeners of each connection."""

import socket
import time
from collections.abc import Callable, Mapping
from typing import Any

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
_LOCK_TIMEOUT = {"lock_timeout": "8s"}
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
_IDLE_TIMEOUTS = {
    "idle_in_transaction_session_timeout": "60s",
    "tcp_keepalives_idle": "60",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
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


def make_engine(url: str, size: int, overflow: int, server_settings: Mapping[str, str]) -> AsyncEngine:
    """Create an engine; it opens no connection yet. `server_settings` are PostgreSQL's run-time parameters."""
    common = {"application_name": "imts", "timezone": "UTC", "jit": "off", **_IDLE_TIMEOUTS, **_LOCK_TIMEOUT}
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
            "prepared_statement_cache_size": PREPARED_STATEMENTS,
            "statement_cache_size": PREPARED_STATEMENTS,
            "max_cached_statement_lifetime": 0,
            "server_settings": {**common, **server_settings},
        },
    )
    event.listen(engine.sync_engine, "connect", _bound_silence)
    event.listen(engine.sync_engine, "checkout", _refuse_closed)
    # Not the events of a cursor: with a listener for those, each connection joins two registries, which takes longer
    # than the statement itself.
    event.listen(engine.sync_engine, "do_execute", _execute)
    event.listen(engine.sync_engine, "do_executemany", _execute_many)
    return engine


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
