"""Reads objects from the store at the pace of the consumer."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass

import aiohttp

from app.storage.timeouts import request_timeout, translate_errors

# If the consumer stalls for longer than this, the connection is closed and reopened on demand.
KEPT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class OpenObject:
    """An object that is being read: the number of bytes that will come, and the bytes."""

    length: int
    chunks: AsyncIterator[bytes]


class Download:
    """An object, or a range of it, on its way from the store; `get` opens it at an offset."""

    def __init__(self, get: Callable[..., Awaitable[aiohttp.ClientResponse]], offset: int) -> None:
        self._get = get
        self._offset = offset
        self._missing = 0
        self._response: aiohttp.ClientResponse | None = None
        self._loop = asyncio.get_running_loop()

    async def begin(self, length: int | None) -> int:
        """Open it, up to the end where no length is given, and return how many bytes will come."""
        async with request_timeout():
            self._response = await self._get(offset=self._offset, length=length or 0)
        self._missing = self._response.content_length or 0
        return self._missing

    def close(self) -> None:
        """Let go of the connection, unless it has served its request."""
        if self._response is not None:
            self._response.close()
            self._response = None

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the bytes as they come, to the end or where the store ends them.

        Raises StorageUnavailable; ObjectMissing when it was removed and the reader is slow.
        """
        while self._response is not None:
            async with aclosing(_translated_chunks(self._response)) as chunks:
                async for chunk in chunks:
                    self._offset += len(chunk)
                    self._missing -= len(chunk)
                    letting_go = self._loop.call_later(KEPT_SECONDS, self.close)
                    try:
                        yield chunk
                    finally:
                        letting_go.cancel()
                    if self._response is None:
                        break
                else:
                    return
            if self._missing:
                await self.begin(self._missing)


async def _translated_chunks(response: aiohttp.ClientResponse) -> AsyncGenerator[bytes]:
    async with translate_errors():
        # As they were received: several that are there already would be joined by `iter_any`, which copies them all.
        async for chunk, _ in response.content.iter_chunks():
            yield chunk
