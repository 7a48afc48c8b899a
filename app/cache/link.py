"""The connection that carries the cache: one, kept, pipelined.

Commands that are asked for while others are on their way travel together in the next batch, in their order: under load
a request costs a share of a round trip, where a pool of connections would cost each a whole one. No batch takes longer
than the time-out: a Redis that is slower is as good as gone, until `mend` has found it well again.
"""

import asyncio
import contextlib
from typing import Any, NamedTuple

from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from app.cache.redis_client import CacheUnavailable

# An event loop that was busy for so long finds the answer there already: it is looked for once more.
GRACE = 0.01
CONNECT_TIMEOUT = 1.0

Argument = bytes | str | int


class CommandRefused(Exception):
    """Redis is there and does not do this: it is full, or read-only."""


class _Asked(NamedTuple):
    command: tuple[Argument, ...]
    answer: asyncio.Future[Any]


class RedisLink:
    """Runs commands on one connection. It is down until `mend` has made it."""

    def __init__(self, url: str, timeout: float) -> None:
        self._timeout = timeout
        pool = ConnectionPool.from_url(
            url, socket_timeout=None, socket_connect_timeout=CONNECT_TIMEOUT, retry=Retry(NoBackoff(), 0)
        )
        self._connection: AbstractConnection = pool.make_connection()  # type: ignore[no-untyped-call]
        self._asked: list[_Asked] = []
        self._carrier: asyncio.Task[None] | None = None
        # The `run_id` of the server process at the other end: another one may have lost what this one was told.
        self.server: str | None = None

    async def run(self, *command: Argument) -> Any:
        """Run one command. Raises CacheUnavailable, CommandRefused."""
        return await self.post(*command)

    def post(self, *command: Argument) -> asyncio.Future[Any]:
        """Send a command on its way, in the order of the calls. Raises CacheUnavailable."""
        if self.server is None:
            raise CacheUnavailable
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._asked.append(_Asked(command, answer))
        if self._carrier is None or self._carrier.done():
            self._carrier = asyncio.create_task(self._carry(), name="cache-link")
        return answer

    async def mend(self) -> None:
        """Connect, when the link is down, and see that the server answers in time. Raises CacheUnavailable."""
        if self.server is not None:
            return
        await self._drop()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                await self._connection.connect()  # type: ignore[no-untyped-call]
                facts = await self._exchange([("INFO", "server")])
            # One that takes no writes cannot be told of changes.
            (probed,) = await self._exchange_in_time([("DEL", "cache:probe")])
            if isinstance(probed, ResponseError):
                raise probed
            self.server = _run_id(facts[0])
        except (RedisError, OSError, TimeoutError, ValueError) as error:
            await self._drop()
            raise CacheUnavailable from error

    def give_up(self) -> None:
        """Take the link for down until it is mended: the server does not do what it must."""
        self.server = None

    async def close(self) -> None:
        """Close the connection."""
        self.give_up()
        if self._carrier:
            self._carrier.cancel()
            await asyncio.wait([self._carrier])
        await self._drop()

    async def _carry(self) -> None:
        try:
            while self._asked:
                batch, self._asked = self._asked, []
                await self._carry_batch(batch)
        except BaseException:
            # Cancelled at the end of the service: nobody is left waiting.
            self._fail(self._asked)
            raise

    async def _carry_batch(self, batch: list[_Asked]) -> None:
        try:
            answers = await self._exchange_in_time([asked.command for asked in batch])
        # Whatever it was: an answer that may still come must not be taken for that of a later command.
        except Exception:  # noqa: BLE001
            self.server = None
            waiting, self._asked = [*batch, *self._asked], []
            self._fail(waiting)
            await self._drop()
        except BaseException:
            self._fail(batch)
            raise
        else:
            for asked, answer in zip(batch, answers, strict=True):
                _settle(asked.answer, answer)

    async def _exchange_in_time(self, commands: list[tuple[Argument, ...]]) -> list[Any]:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(None) as limit:
            late = loop.call_later(self._timeout, lambda: limit.reschedule(loop.time() + GRACE))
            try:
                return await self._exchange(commands)
            finally:
                late.cancel()

    async def _exchange(self, commands: list[tuple[Argument, ...]]) -> list[Any]:
        await self._connection.send_packed_command(self._connection.pack_commands(commands), check_health=False)
        return [await self._read() for _ in commands]

    async def _read(self) -> Any:
        try:
            return await self._connection.read_response(disable_decoding=True, disconnect_on_error=False)
        except ResponseError as refused:
            return refused

    async def _drop(self) -> None:
        with contextlib.suppress(RedisError, OSError, TimeoutError):
            await self._connection.disconnect(nowait=True)

    @staticmethod
    def _fail(batch: list[_Asked]) -> None:
        for asked in batch:
            if not asked.answer.done():
                asked.answer.set_exception(CacheUnavailable())
                # Not everybody waits for what was sent on its way.
                asked.answer.exception()


def _settle(future: asyncio.Future[Any], answer: Any) -> None:
    if future.done():
        return
    if isinstance(answer, ResponseError):
        future.set_exception(CommandRefused(str(answer)))
        future.exception()
    else:
        future.set_result(answer)


def _run_id(facts: Any) -> str:
    """Read the id of the server process from what INFO tells. Raises ValueError, ResponseError."""
    if isinstance(facts, ResponseError):
        raise facts
    for line in bytes(facts).decode("ascii", "replace").splitlines():
        if line.startswith("run_id:"):
            return line.removeprefix("run_id:")
    raise ValueError("the server does not tell its run_id")
