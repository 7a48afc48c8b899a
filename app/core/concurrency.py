"""Helpers for asyncio tasks: background work, single flight, periodic jobs, a timeout in loop ticks."""

import asyncio
import errno
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Generic, TypeVar

from app.core.errors import AppError
from app.core.observability.logging import get_logger
from app.core.observability.outages import OutageLog

Result = TypeVar("Result")

TICK_SECONDS = 0.05
# This process is short of file descriptors or memory; the backend did not fail.
RESOURCE_EXHAUSTED_ERRNOS = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)

logger = get_logger(__name__)


@asynccontextmanager
async def background_task(work: Coroutine[Any, Any, Result]) -> AsyncIterator[asyncio.Task[Result]]:
    """Run `work` while the block runs, which may await the task. The end of the block cancels it and waits for it."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        # A block that needs the result or the error has awaited the task.
        await asyncio.gather(task, return_exceptions=True)


async def wait_loop_ticks(work: Coroutine[Any, Any, Result], seconds: float) -> Result:
    """Return the result of `work`. Raises TimeoutError after `seconds`, counted in turns of the event loop.

    A clock would expire while the loop is busy for half a second, although the result has arrived meanwhile.
    """
    task = asyncio.ensure_future(work)
    try:
        for _ in range(round(seconds / TICK_SECONDS)):
            if (await asyncio.wait({task}, timeout=TICK_SECONDS))[0]:
                return task.result()
        raise TimeoutError
    finally:
        task.cancel()


async def repeat(job: Callable[[], Awaitable[object]], interval: float, name: str) -> None:
    """Run `job` every `interval` seconds until the task is cancelled. An error never ends the loop.

    An outage is logged once. An unavailable backend is one line; any other error has its traceback.
    """
    outage = OutageLog(logger, name)
    while True:
        await _attempt(job, outage)
        await asyncio.sleep(interval)


async def retry(job: Callable[[], Awaitable[object]], interval: float, name: str) -> None:
    """Run `job` until it succeeds, with pauses of `interval` seconds. Errors are logged as by `repeat`."""
    outage = OutageLog(logger, name)
    while True:
        if await _attempt(job, outage):
            return
        await asyncio.sleep(interval)


async def _attempt(job: Callable[[], Awaitable[object]], outage: OutageLog) -> bool:
    """Run `job`; return whether it succeeded."""
    try:
        await job()
    except AppError as error:
        outage.fail(error)
        return False
    except Exception as error:  # noqa: BLE001 - it is logged with its traceback
        outage.fail(error, traceback=True)
        return False
    outage.recover()
    return True


class SingleFlight(Generic[Result]):
    """Runs the work for a key once; concurrent callers wait for the same result or error."""

    def __init__(self) -> None:
        self._flights: dict[str, asyncio.Task[Result]] = {}

    async def run(self, key: str, work: Callable[[], Awaitable[Result]]) -> Result:
        """Return the result of `work`, which continues if the first caller is cancelled: others wait for it."""
        flight = self._flights.get(key)
        if flight is None:
            flight = asyncio.ensure_future(self._fly(key, work))
            self._flights[key] = flight
        return await asyncio.shield(flight)

    async def close(self) -> None:
        """Cancel the work in progress."""
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    async def _fly(self, key: str, work: Callable[[], Awaitable[Result]]) -> Result:
        try:
            return await work()
        finally:
            del self._flights[key]
