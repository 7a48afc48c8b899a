"""The appends that run in this worker, and how a later request ends an earlier one.

The column `uploads.writer` names the request that may write, on any worker. A later request of the same worker ends the
earlier one at once. Another worker sees the change of the column at its next poll.
"""

import asyncio
import contextlib
import uuid
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

from app.core.concurrency import background_task
from app.core.errors import AppError
from app.db.database import Database
from app.models import Upload
from app.uploads.appending.inspection import Inspection
from app.uploads.errors import AppendSuperseded
from app.uploads.repository import AcquiredUpload, NewUploadRepository, UploadRepository, WholeFile

MAX_INSPECTIONS = 1000
# How often a request asks whether another worker has taken over its upload.
POLL_SECONDS = 1.0
# The longest wait for a request of this worker to end, which may be creating the image.
ENDING_SECONDS = 30.0
# The longest wait for a request of another worker: a poll, and the time to store a part. After a kill there is none.
HANDOVER_SECONDS = 3.0
HANDOVER_POLL_SECONDS = 0.1


class ActiveAppend:
    """One request that appends.

    `keeps` is whether the bytes that it has received are to be stored at its end, `has_completed` whether the image of
    the upload exists.
    """

    def __init__(self) -> None:
        self.keeps = True
        self.has_completed = False
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


class HeldUpload(NamedTuple):
    """An open upload that this request may write to, and the append of this request."""

    acquired: AcquiredUpload
    active: ActiveAppend


class UploadLock:
    """Lets one request at a time append to an upload, on any worker. A later request ends an earlier one."""

    def __init__(self, database: Database, appends: ActiveAppends) -> None:
        self._database = database
        self._appends = appends

    @asynccontextmanager
    async def hold(
        self, upload_id: uuid.UUID, user_id: uuid.UUID | None, whole: WholeFile | None
    ) -> AsyncIterator[HeldUpload | None]:
        """Be the only request that appends during the block; None if the account has no such open upload."""
        await self._end_local(upload_id, keep=False)

        async def acquire(writer: uuid.UUID) -> AcquiredUpload | None:
            async with self._database.autocommit_connection() as connection:
                return await NewUploadRepository(connection).acquire(upload_id, user_id, writer, whole)

        async with self._hold(upload_id, acquire) as held:
            yield held

    @asynccontextmanager
    async def hold_new(
        self, upload_id: uuid.UUID, add: Callable[[uuid.UUID], Awaitable[AcquiredUpload]]
    ) -> AsyncIterator[HeldUpload]:
        """Create an upload by `add`, which gets the id of its writer, and be the only request that appends to it."""
        async with self._hold(upload_id, add) as held:
            assert held is not None  # noqa: S101 - added
            yield held

    @asynccontextmanager
    async def _hold(
        self, upload_id: uuid.UUID, acquire: Callable[[uuid.UUID], Awaitable[AcquiredUpload | None]]
    ) -> AsyncIterator[HeldUpload | None]:
        writer = uuid.uuid4()
        async with self._appends.running(upload_id) as active:
            acquired = await acquire(writer)
            if acquired is None:
                yield None
                return
            try:
                async with background_task(self._watch(upload_id, writer, active)):
                    yield HeldUpload(acquired, active)
            finally:
                if not active.has_completed:
                    await asyncio.shield(self._release(upload_id, writer))

    async def end_append(self, upload: Upload) -> bool:
        """End the request that appends, after it has stored its bytes. Returns False if there was none."""
        if not await self._end_local(upload.id, keep=True):
            if upload.writer is None:
                return False
            if await self._hand_over(upload.id):
                return True
        async with self._database.unit_of_work() as session:
            await UploadRepository(session).revoke_writer(upload.id)
        return True

    def discard_append(self, upload_id: uuid.UUID) -> None:
        """End the request of this worker that appends, without its bytes and without a wait."""
        if active := self._appends.find(upload_id):
            active.supersede(keep=False)

    async def _end_local(self, upload_id: uuid.UUID, *, keep: bool) -> bool:
        """End the requests of this worker that append, also those that begin meanwhile. Returns False without any."""
        has_found = False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ENDING_SECONDS):
                while earlier := self._appends.find(upload_id):
                    has_found = True
                    earlier.supersede(keep=keep)
                    await earlier.ended.wait()
        return has_found

    async def _release(self, upload_id: uuid.UUID, writer: uuid.UUID) -> None:
        # A later request takes over without it.
        with contextlib.suppress(AppError):
            async with self._database.unit_of_work() as session:
                await UploadRepository(session).release(upload_id, writer)

    async def _watch(self, upload_id: uuid.UUID, writer: uuid.UUID, active: ActiveAppend) -> None:
        """End the append when another worker has taken over the upload, or asks for it."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            with contextlib.suppress(AppError):
                async with self._database.read_session() as session:
                    current = await UploadRepository(session).find_writer(upload_id)
                if current.id != writer or current.handover_requested:
                    # After a takeover, the offset of the later request does not count these bytes.
                    active.supersede(keep=current.id == writer)

    async def _hand_over(self, upload_id: uuid.UUID) -> bool:
        async with self._database.unit_of_work() as session:
            await UploadRepository(session).request_handover(upload_id)
        for _ in range(round(HANDOVER_SECONDS / HANDOVER_POLL_SECONDS)):
            await asyncio.sleep(HANDOVER_POLL_SECONDS)
            async with self._database.read_session() as session:
                if (await UploadRepository(session).find_writer(upload_id)).id is None:
                    return True
        return False
