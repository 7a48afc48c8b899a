"""A turn at the decoders."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.core.callers import current_caller
from app.core.errors import ImageTooLarge
from app.core.fair_queue import FairQueue


@asynccontextmanager
async def decoder_slot(queue: FairQueue) -> AsyncIterator[None]:
    """Hold a decoder's slot during the block. A caller whose file costs too much has fewer slots for a while.

    Raises TooManyRequests, DecodersBusy, ClientGone, and what the block raises.
    """
    caller = current_caller.get()
    async with queue.enter(caller):
        try:
            yield
        except ImageTooLarge:
            queue.penalise(caller)
            raise
