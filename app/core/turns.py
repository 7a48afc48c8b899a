"""Turns at something costly: each client has a few at a time, however much it asks for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from app.core.errors import TooManyRequests


class Turns:
    """Gives each client `at_once` turns at a time; the rest of what it wants waits in a queue of its own.

    So a client that asks for very much waits for itself, and stands in nobody's way with more than `at_once` requests.
    Nothing is held for those who wait but their connection, and for no longer than `seconds`.
    """

    def __init__(self, at_once: int, seconds: float) -> None:
        self._at_once = at_once
        self._seconds = seconds
        # A queue is there as long as somebody stands in it.
        self._queues: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    @asynccontextmanager
    async def take(self, client: str) -> AsyncIterator[None]:
        """Wait for a turn and have it until the block ends. Raises TooManyRequests when it does not come in time."""
        queue = self._queues.get(client)
        if queue is None:
            queue = self._queues[client] = asyncio.Semaphore(self._at_once)
        try:
            async with asyncio.timeout(self._seconds):
                await queue.acquire()
        except TimeoutError:
            waited = f"this one has waited {self._seconds:g} s for them"
            raise TooManyRequests(1, f"{self._at_once} of your requests run already; {waited}") from None
        try:
            yield
        finally:
            queue.release()
