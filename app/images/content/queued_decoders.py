"""The decoder pool behind its queue of callers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.core.callers import current_caller
from app.core.fair_queue import FairQueue
from app.media.decoder_pool import DecoderInput, DecoderPool
from app.media.errors import ImageTooLarge
from app.media.image_properties import ImageProperties


class QueuedDecoders:
    """Decoders that a caller uses in its slots of the queue."""

    def __init__(self, pool: DecoderPool, queue: FairQueue) -> None:
        self.pool = pool
        self._queue = queue

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Hold a decoder's slot during the block. A caller whose file costs too much has fewer slots for a while.

        Raises TooManyRequests, DecodersBusy, ClientDisconnected, and what the block raises.
        """
        caller = current_caller.get()
        async with self._queue.enter(caller):
            try:
                yield
            except ImageTooLarge:
                self._queue.penalise(caller)
                raise

    async def check(self, file: DecoderInput) -> ImageProperties:
        """Decode a whole file in a slot; return its properties. Raises InvalidImage, ImageTooLarge, Unavailable."""
        async with self.slot():
            return await self.pool.check(file)
