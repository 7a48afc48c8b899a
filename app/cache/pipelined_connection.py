"""The Redis connection of the response cache: one persistent, pipelined connection.

Commands that arrive while a batch is under way form the next batch, in their order. Under load a request pays a share
of a round trip, not a whole one as with a connection pool. A batch that exceeds the timeout marks the connection down
until `reconnect` succeeds. Figures and alternatives: docs/decisions/0008.
"""

import asyncio
import contextlib
from contextvars import Context
from typing import Any, NamedTuple

import hiredis
from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from app.cache.redis_client import CacheUnavailable

# After a busy event loop, the reply may have arrived already: it is read once more before the timeout counts.
GRACE = 0.01
CONNECT_TIMEOUT = 1.0

Argument = bytes | str | int


class CommandRefused(Exception):
    """Redis replied with an error: it is full or read-only."""


class _Command(NamedTuple):
    arguments: tuple[Argument, ...]
    reply: asyncio.Future[Any]


class PipelinedConnection:
    """Runs commands on one connection. It is down until `reconnect` succeeds."""

    def __init__(self, url: str, timeout: float) -> None:
        self._timeout = timeout
        pool = ConnectionPool.from_url(
            url, socket_timeout=None, socket_connect_timeout=CONNECT_TIMEOUT, retry=Retry(NoBackoff(), 0)
        )
        self._connection: AbstractConnection = pool.make_connection()  # type: ignore[no-untyped-call]
        self._queue: list[_Command] = []
        # It lives as long as the connection: a task for each batch would cost 3 us more.
        self._flush_task: asyncio.Task[None] | None = None
        self._has_commands = asyncio.Event()
        # `run_id` of the connected server process, None while down. A new process may have lost earlier writes.
        self.run_id: str | None = None

    @property
    def is_down(self) -> bool:
        return self.run_id is None

    async def execute(self, *arguments: Argument) -> Any:
        """Run one command. Raises CacheUnavailable, CommandRefused."""
        return await self.send(*arguments)

    def send(self, *arguments: Argument) -> asyncio.Future[Any]:
        """Queue a command, in the order of the calls, and return its future reply. Raises CacheUnavailable."""
        if self.is_down:
            raise CacheUnavailable
        reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._queue.append(_Command(arguments, reply))
        if self._flush_task is None or self._flush_task.done():
            # In an empty context: the task must not keep that of the first request.
            self._flush_task = asyncio.create_task(self._flush(), name="cache-connection", context=Context())
        self._has_commands.set()
        return reply

    async def reconnect(self) -> None:
        """Connect, if the connection is down, and check that the server responds in time. Raises CacheUnavailable."""
        if not self.is_down:
            return
        await self._disconnect()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                await self._connection.connect()  # type: ignore[no-untyped-call]
                (info,) = await self._exchange([("INFO", "server")])
            # A read-only server cannot invalidate anything.
            (probe,) = await self._exchange_in_time([("DEL", "cache:probe")])
            if isinstance(probe, ResponseError):
                raise probe
            self.run_id = _parse_run_id(info)
        except (RedisError, OSError, TimeoutError, ValueError) as error:
            await self._disconnect()
            raise CacheUnavailable from error

    def mark_down(self) -> None:
        """Refuse commands until `reconnect` succeeds."""
        self.run_id = None

    async def close(self) -> None:
        self.mark_down()
        if self._flush_task:
            self._flush_task.cancel()
            await asyncio.wait([self._flush_task])
        await self._disconnect()

    async def _flush(self) -> None:
        try:
            while await self._has_commands.wait():
                self._has_commands.clear()
                batch, self._queue = self._queue, []
                if batch:
                    await self._flush_batch(batch)
        except BaseException:
            # Cancelled at shutdown: no caller may wait forever.
            self._fail(self._queue)
            raise

    async def _flush_batch(self, batch: list[_Command]) -> None:
        try:
            replies = await self._exchange_in_time([command.arguments for command in batch])
        # After any error: a late reply must not be taken for that of a later command.
        except Exception:  # noqa: BLE001
            self.mark_down()
            waiting, self._queue = [*batch, *self._queue], []
            self._fail(waiting)
            await self._disconnect()
        except BaseException:
            self._fail(batch)
            raise
        else:
            for command, reply in zip(batch, replies, strict=True):
                _resolve(command.reply, reply)

    async def _exchange_in_time(self, commands: list[tuple[Argument, ...]]) -> list[Any]:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(None) as limit:
            late = loop.call_later(self._timeout, lambda: limit.reschedule(loop.time() + GRACE))
            try:
                return await self._exchange(commands)
            finally:
                late.cancel()

    async def _exchange(self, commands: list[tuple[Argument, ...]]) -> list[Any]:
        # hiredis packs a command in 0.7 us. `Connection.pack_commands` needs 7.6 us, 3 % of a cached read.
        packed = [hiredis.pack_command(command) for command in commands]  # type: ignore[arg-type]
        await self._connection.send_packed_command(packed, check_health=False)
        return [await self._read() for _ in commands]

    async def _read(self) -> Any:
        try:
            return await self._connection.read_response(disable_decoding=True, disconnect_on_error=False)
        except ResponseError as error:
            return error

    async def _disconnect(self) -> None:
        with contextlib.suppress(RedisError, OSError, TimeoutError):
            await self._connection.disconnect(nowait=True)

    @staticmethod
    def _fail(commands: list[_Command]) -> None:
        for command in commands:
            if not command.reply.done():
                command.reply.set_exception(CacheUnavailable())
                # Some callers do not await the reply: mark the exception as retrieved.
                command.reply.exception()


def _resolve(future: asyncio.Future[Any], reply: Any) -> None:
    if future.done():
        return
    if isinstance(reply, ResponseError):
        future.set_exception(CommandRefused(str(reply)))
        future.exception()
    else:
        future.set_result(reply)


def _parse_run_id(info: Any) -> str:
    """Return the id of the server process from the reply to INFO. Raises ValueError, ResponseError."""
    if isinstance(info, ResponseError):
        raise info
    for line in bytes(info).decode("ascii", "replace").splitlines():
        if line.startswith("run_id:"):
            return line.removeprefix("run_id:")
    raise ValueError("INFO has no run_id")
