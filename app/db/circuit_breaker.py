"""The circuit breaker of a database. It distinguishes a frozen server from a slow one by a probe connection.

A statement timeout cannot distinguish them: one that is short enough for a frozen server would end bulk work, searches
and waits for locks. Instead, a connection in use for PROBE_AFTER starts a probe. A response changes nothing. Without a
response, those connections are terminated, which ends their requests like any lost connection. New requests are refused
until the server responds again. A statement that ends during the probe counts as a response, because on an overloaded
machine the probe alone may exceed its timeout.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import asyncpg
from sqlalchemy import URL, event, make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from app.core.concurrency import RESOURCE_EXHAUSTED_ERRNOS, wait_loop_ticks
from app.core.errors import DatabaseUnavailable

# The key, in the info of a connection in use, of the callback that runs after each of its statements.
ON_ANSWER = "on_answer"
# Together, the time after which a request to a frozen server ends, in seconds.
PROBE_AFTER = 0.8
PROBE_TIMEOUT = 1.0
# A connection takes milliseconds. A probe this early ends before the timeout of the connection attempt.
CONNECT_PROBE_AFTER = 0.4
# The pauses between probes: while the server responds and a connection is still in use, and while it does not respond.
PAUSE_SECONDS = 0.5
RETRY_SECONDS = 0.1
# SQLSTATE classes of a server that starts or stops, and of failed connections (PostgreSQL manual, appendix A). Any
# other error of the server counts as a response.
_NOT_SERVING = ("57P", "08")


class _AtWork(NamedTuple):
    since: float
    connection: asyncpg.Connection
    task: asyncio.Task[Any] | None
    doubt: asyncio.TimerHandle


class CircuitBreaker:
    """Watches the connections to one server.

    `direct_url` is the address of PostgreSQL behind a pooler; empty if it is unknown, None without a pooler.
    """

    def __init__(self, direct_url: str | None = None) -> None:
        self._is_pooled = direct_url is not None
        self._direct_url = direct_url
        self._direct_arguments: dict[str, Any] | None = None
        self._arguments: dict[str, Any] = {}
        self._guarded: dict[asyncio.Timeout, asyncio.Task[Any] | None] = {}
        self._at_work: dict[Any, _AtWork] = {}
        self._is_down = False
        self._last_sign = 0.0
        self._asking: asyncio.Task[None] | None = None

    def watch(self, engine: AsyncEngine) -> None:
        """Watch this engine's connections. All engines of a breaker connect to the same server."""
        self._arguments = _driver_arguments(engine, engine.url)
        if self._direct_url:
            self._direct_arguments = _driver_arguments(engine, make_url(self._direct_url))
        event.listen(engine.sync_engine, "do_connect", self._connect)
        event.listen(engine.sync_engine, "checkout", self._begin)
        event.listen(engine.sync_engine, "checkin", self._end)

    @asynccontextmanager
    async def guard(self) -> AsyncIterator[None]:
        """End the block when the server does not respond. Raises DatabaseUnavailable, TimeoutError."""
        self._check()
        async with asyncio.timeout(None) as limit:
            self._guarded[limit] = asyncio.current_task()
            try:
                yield
            finally:
                del self._guarded[limit]

    @property
    def is_open(self) -> bool:
        """Whether requests for a connection are refused, because the server does not respond."""
        return self._is_down

    async def close(self) -> None:
        """Stop probing."""
        if self._asking is not None:
            self._asking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._asking

    def _check(self) -> None:
        if self._is_down:
            raise DatabaseUnavailable

    def _connect(self, dialect: Any, _record: Any, arguments: Any, options: Any) -> Any:
        self._check()
        doubt = asyncio.get_running_loop().call_later(CONNECT_PROBE_AFTER, self._ask)
        try:
            return dialect.connect(*arguments, **options)
        except Exception as error:
            if getattr(error, "sqlstate", None):
                # The server returned this error.
                raise
            self._ask()
            raise ConnectionError("PostgreSQL refuses connections") from error
        finally:
            doubt.cancel()

    def _begin(self, connection: Any, record: Any, _proxy: Any) -> None:
        doubt = asyncio.get_running_loop().call_later(PROBE_AFTER, self._ask)
        driver = connection.driver_connection
        record.info[ON_ANSWER] = self.see
        self._at_work[record] = _AtWork(time.monotonic(), driver, asyncio.current_task(), doubt)

    def _end(self, _connection: Any, record: Any) -> None:
        if at_work := self._at_work.pop(record, None):
            at_work.doubt.cancel()

    def see(self) -> None:
        """Record that the server has responded."""
        self._last_sign = time.monotonic()

    def _ask(self) -> None:
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._probe_until_closed())

    async def _probe_until_closed(self) -> None:
        while True:
            self._is_down = not await self._answers()
            if self._is_down:
                self._cut()
            elif not self._doubted():
                return
            await asyncio.sleep(RETRY_SECONDS if self._is_down else PAUSE_SECONDS)

    async def _answers(self) -> bool:
        asked = time.monotonic()
        try:
            await wait_loop_ticks(self._greet(), PROBE_TIMEOUT)
        # The driver raises many exceptions if a server dies within a message, or is not PostgreSQL. An exception that
        # ended the probes would leave the breaker open forever.
        except Exception as error:  # noqa: BLE001
            if isinstance(error, OSError) and error.errno in RESOURCE_EXHAUSTED_ERRNOS:
                # The probe was not sent. The existing connections still work.
                return True
            state = getattr(error, "sqlstate", None)
            return bool(state and not state.startswith(_NOT_SERVING)) or self._last_sign > asked
        return True

    async def _greet(self) -> None:
        connection = await asyncpg.connect(**self._arguments)
        try:
            if self._is_pooled and not self._direct_arguments:
                # A pooler answers while the server does not.
                await connection.execute("SELECT 1")
            await connection.close()
        finally:
            # Nothing to do unless the statement failed or was cancelled.
            connection.terminate()
        if self._direct_arguments:
            # Not through the pooler, in which a statement may wait for a connection: that means load.
            connection = await asyncpg.connect(**self._direct_arguments)
            await connection.close()

    def _cut(self) -> None:
        for connection in self._doubted():
            connection.terminate()
        # The pool does not notify waiting tasks that no connection could be opened.
        served = {at_work.task for at_work in self._at_work.values()}
        for limit, task in self._guarded.items():
            if task not in served and not limit.expired():
                limit.reschedule(0)

    def _doubted(self) -> list[asyncpg.Connection]:
        before = time.monotonic() - PROBE_AFTER
        return [at_work.connection for at_work in self._at_work.values() if at_work.since <= before]


def _driver_arguments(engine: AsyncEngine, url: URL) -> dict[str, Any]:
    # An option of the dialect, which the driver does not accept.
    return dict(engine.dialect.create_connect_args(url.difference_update_query(["prepared_statement_cache_size"]))[1])
