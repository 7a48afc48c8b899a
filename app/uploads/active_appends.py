"""The appends that run in this worker, and how a later request ends an earlier one.

The column `uploads.writer` names the request that may write, on any worker. A later request of the same worker ends the
earlier one at once. Another worker sees the change of the column at its next poll.
"""

import asyncio
import uuid
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

from app.uploads.errors import AppendSuperseded
from app.uploads.inspection import Inspection

MAX_INSPECTIONS = 1000


class ActiveAppend:
    """One request that appends. `keeps` is whether the bytes that it has received are to be stored at its end."""

    def __init__(self) -> None:
        self.keeps = True
        self.ended = asyncio.Event()
        self._superseded = False
        self._reading: asyncio.Timeout | None = None

    def supersede(self, *, keep: bool) -> None:
        """End the reading of the body. The request stores the bytes that it has received, or discards them."""
        self._superseded = True
        self.keeps = self.keeps and keep
        if self._reading is not None:
            self._reading.reschedule(0)

    async def read(self, chunks: AsyncGenerator[bytes]) -> AsyncIterator[bytes]:
        """Yield the chunks. Raises AppendSuperseded when another request has taken over the upload."""
        while not self._superseded:
            try:
                async with asyncio.timeout(None) as self._reading:
                    chunk = await anext(chunks, None)
            except TimeoutError:
                if self._superseded:
                    break
                raise
            finally:
                self._reading = None
            if chunk is None:
                return
            yield chunk
        await chunks.aclose()
        raise AppendSuperseded


class ActiveAppends:
    """The appends of one worker, by upload."""

    def __init__(self) -> None:
        self._appends: dict[uuid.UUID, ActiveAppend] = {}
        # The inspections of files that continue, the most recent last.
        self._inspections: OrderedDict[uuid.UUID, Inspection] = OrderedDict()

    def find(self, upload_id: uuid.UUID) -> ActiveAppend | None:
        """Return the append that runs in this worker."""
        return self._appends.get(upload_id)

    @asynccontextmanager
    async def running(self, upload_id: uuid.UUID) -> AsyncIterator[ActiveAppend]:
        """Register an append for the block."""
        append = self._appends[upload_id] = ActiveAppend()
        try:
            yield append
        finally:
            append.ended.set()
            if self._appends.get(upload_id) is append:
                del self._appends[upload_id]

    def keep_inspection(self, upload_id: uuid.UUID, inspection: Inspection) -> None:
        """Keep the inspection of an upload for its next append, which would otherwise read the stored bytes again."""
        # Without the header, it would keep up to 1 MiB of the file.
        if inspection.header is not None:
            self._inspections[upload_id] = inspection
            if len(self._inspections) > MAX_INSPECTIONS:
                self._inspections.popitem(last=False)

    def take_inspection(self, upload_id: uuid.UUID, offset: int) -> Inspection | None:
        """Return the inspection of the first `offset` bytes, unless another worker has received some of them."""
        inspection = self._inspections.pop(upload_id, None)
        return inspection if inspection is not None and inspection.size == offset else None
