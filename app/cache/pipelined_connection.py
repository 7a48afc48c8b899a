"""The Redis connection of the response cache: one persistent, pipelined connection.

Each command is sent at once, and the replies arrive in the order of the commands. Under load, a request waits neither
for a connection of a pool nor for the replies to others. A reply that exceeds the timeout marks the connection down
until `reconnect` succeeds. Figures and alternatives: docs/decisions/0008.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from contextvars import Context
from typing import Any, NamedTuple

import hiredis
from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from app.cache.redis_client import CacheUnavailable

# After a busy event loop, the reply may have arrived already: it is read once more before the timeout counts.
GRACE = 0.01
CONNECT_TIMEOUT = 1.0

Argument = bytes | str | int


class CommandRefused(Exception):
    """Redis replied with an error: it is full or read-only."""


class PipelinedConnection:
    """Runs commands on one connection. It is down until `reconnect` succeeds."""

    def __init__(self, url: str, timeout: float) -> None:
        self._timeout = timeout
        pool = ConnectionPool.from_url(
            url,
            # RESP2 has no messages but replies.
            protocol=2,
            socket_timeout=None,
            socket_connect_timeout=CONNECT_TIMEOUT,
            retry=Retry(NoBackoff(), 0),
        )
        # It opens the connection and signs in.
        self._connection: AbstractConnection = pool.make_connection()  # type: ignore[no-untyped-call]
        self._protocol: _Protocol | None = None
        # `run_id` of the connected server process, None while down. A new process may have lost earlier writes.
        self.run_id: str | None = None

    @property
    def is_down(self) -> bool:
        return self.run_id is None

    async def execute(self, *arguments: Argument) -> Any:
        """Run one command. Raises CacheUnavailable, CommandRefused."""
        return await self.send(*arguments)

    def send(self, *arguments: Argument) -> asyncio.Future[Any]:
        """Send a command, in the order of the calls, and return its future reply. Raises CacheUnavailable."""
        if self.run_id is None or self._protocol is None:
            raise CacheUnavailable
        return self._protocol.send(arguments)

    async def reconnect(self) -> None:
        """Connect, if the connection is down, and check that the server responds in time. Raises CacheUnavailable."""
        if not self.is_down:
            return
        await self._disconnect()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                await self._connection.connect()  # type: ignore[no-untyped-call]
                await self._connection.send_command("INFO", "server")
                info = await self._connection.read_response(disable_decoding=True)
            self._protocol = self._take_over()
            # A read-only server cannot invalidate anything.
            await self._protocol.send(("DEL", "cache:probe"))
            self.run_id = None if self._protocol.is_closed else _parse_run_id(info)
        except (RedisError, OSError, TimeoutError, ValueError, CacheUnavailable, CommandRefused) as error:
            await self._disconnect()
            raise CacheUnavailable from error
        if self.run_id is None:
            raise CacheUnavailable

    def mark_down(self) -> None:
        """Refuse commands until `reconnect` succeeds."""
        self.run_id = None

    async def close(self) -> None:
        """Close the connection. Commands without a reply fail."""
        self.mark_down()
        await self._disconnect()

    def _take_over(self) -> "_Protocol":
        # redis-py has no public access to its transport.
        writer = self._connection._writer  # noqa: SLF001
        if writer is None:
            raise CacheUnavailable
        return _Protocol(writer.transport, self._timeout, self.mark_down)

    async def _disconnect(self) -> None:
        if self._protocol is not None:
            self._protocol.close()
            self._protocol = None
        with contextlib.suppress(RedisError, OSError, TimeoutError):
            await self._connection.disconnect(nowait=True)


class _Waiting(NamedTuple):
    """A command without a reply. `is_late`: the timeout has passed, and the grace runs."""

    reply: asyncio.Future[Any]
    since: float
    is_late: bool = False


class _Protocol(asyncio.Protocol):
    """Assigns the replies to the commands, in their order. After any failure, it closes the transport.

    A late reply must not be taken for that of a later command. redis-py reads a reply in three times the time.
    """

    def __init__(self, transport: asyncio.WriteTransport, timeout: float, on_failure: Callable[[], None]) -> None:
        self._transport = transport
        self._timeout = timeout
        self._on_failure = on_failure
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader()
        self._waiting: deque[_Waiting] = deque()
        # One timer for all commands: one for each would cost more than sending it.
        self._timer: asyncio.TimerHandle | None = None
        self.is_closed = False
        transport.set_protocol(self)

    def send(self, arguments: tuple[Argument, ...]) -> asyncio.Future[Any]:
        """Send a command and return its future reply."""
        reply: asyncio.Future[Any] = self._loop.create_future()
        # hiredis packs a command in 0.7 us. `Connection.pack_commands` needs 7.6 us, 3 % of a cached read.
        self._transport.write(hiredis.pack_command(arguments))  # type: ignore[arg-type]
        self._waiting.append(_Waiting(reply, self._loop.time()))
        if self._timer is None:
            self._set_timer(self._timeout, self._check)
        return reply

    def data_received(self, data: bytes) -> None:
        """Assign the replies that are complete."""
        self._reader.feed(data)
        try:
            while (reply := self._reader.gets()) is not False:
                _resolve(self._waiting.popleft().reply, reply)
        # It is not Redis, or it replies without a command.
        except (hiredis.ProtocolError, IndexError):
            self.close()

    def connection_lost(self, _error: Exception | None) -> None:
        """Fail the commands without a reply."""
        self.close()

    def close(self) -> None:
        """Close the transport, and fail the commands without a reply."""
        if self.is_closed:
            return
        self.is_closed = True
        self._on_failure()
        self._transport.abort()
        if self._timer is not None:
            self._timer.cancel()
        for waiting in self._waiting:
            if not waiting.reply.done():
                waiting.reply.set_exception(CacheUnavailable())
                # Some callers do not await the reply: mark the exception as retrieved.
                waiting.reply.exception()
        self._waiting.clear()

    def _set_timer(self, seconds: float, check: Callable[[], None]) -> None:
        # In an empty context: the timer must not keep that of the first request.
        self._timer = self._loop.call_later(seconds, check, context=Context())

    def _check(self) -> None:
        """Close the transport if the first reply is late, and set the timer for the next one."""
        self._timer = None
        if not self._waiting:
            return
        first = self._waiting[0]
        seconds = first.since + self._timeout - self._loop.time()
        if seconds > 0:
            self._set_timer(seconds, self._check)
        elif first.is_late:
            self.close()
        else:
            self._waiting[0] = first._replace(is_late=True)
            self._set_timer(GRACE, self._check)


def _resolve(future: asyncio.Future[Any], reply: Any) -> None:
    if future.done():
        return
    if isinstance(reply, hiredis.ReplyError):
        future.set_exception(CommandRefused(str(reply)))
        future.exception()
    else:
        future.set_result(reply)


def _parse_run_id(info: Any) -> str:
    """Return the id of the server process from the reply to INFO. Raises ValueError."""
    for line in bytes(info).decode("ascii", "replace").splitlines():
        if line.startswith("run_id:"):
            return line.removeprefix("run_id:")
    raise ValueError("INFO has no run_id")
