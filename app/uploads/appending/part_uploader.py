"""Stores the bytes of one append.

Full parts go to the multipart upload of the object store while the next part is received. The remainder becomes an
object of its own, because the store refuses small parts. A later append collects such objects into a part. If there are
many, it joins them into one object.

The offset of the upload changes only after the bytes are stored, and only while the request is the writer.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from app.db.base import utc_now
from app.db.database import Database
from app.images.maintenance.orphan_repository import OrphanRepository
from app.images.storage_keys import new_tail_key
from app.images.upload.storage_quota import Reservation
from app.models import Upload, UploadPart
from app.storage.chunks import MIN_CHUNK_BYTES, PART_BYTES, length
from app.storage.object_store import ObjectStore, StoredPart
from app.storage.timeouts import ObjectMissing
from app.uploads.errors import AppendSuperseded, UploadEnded
from app.uploads.repository import UploadRepository

CONTENT_TYPE = "application/octet-stream"
TOO_MANY_PARTS = "Too many parts of the upload were discarded."
LOST_BYTES = "The object store has lost bytes of the upload."
# The largest part number of S3. Each number is used once.
MAX_PART_NUMBER = 10_000
# More discarded parts count against the quota: the store keeps them until the upload ends.
FREE_DISCARDED_PARTS = 8
# With more, each of many small appends would read many rows. Joining them costs 80 KiB an append at most.
MAX_TAIL_OBJECTS = 64


@dataclass(frozen=True, slots=True)
class Remainder:
    """The last bytes of an upload, from `start` on, at most a part of them. `multipart` has the bytes before them."""

    start: int
    chunks: list[bytes]
    multipart: "StoredMultipart | None"

    @property
    def end(self) -> int:
        """The length of the upload."""
        return self.start + length(self.chunks)


@dataclass(frozen=True, slots=True)
class StoredMultipart:
    """The multipart upload in the object store, its parts, and a number for the next part."""

    id: str
    parts: list[StoredPart]
    next_number: int


class PartUploader:
    """Stores the bytes of one append of `upload`, whose writer is `writer`.

    `stored_bytes` is the offset of the upload. With `defers_offset`, it changes only in `save`: bytes with a wrong
    checksum are never part of the upload.
    """

    def __init__(
        self,
        database: Database,
        object_store: ObjectStore,
        upload: Upload,
        writer: uuid.UUID,
        reservation: Reservation,
        lifetime: timedelta,
        *,
        defers_offset: bool,
    ) -> None:
        self._database = database
        self._object_store = object_store
        self._upload_id = upload.id
        self._key = upload.storage_key
        self._multipart_id = upload.multipart_id
        self._next_number = upload.next_part_number
        self._writer = writer
        self._reservation = reservation
        self._lifetime = lifetime
        self._defers_offset = defers_offset
        # The stored objects before `_end` that are not a part yet, and the bytes after them.
        self._tail: list[UploadPart] = []
        self._buffer = _Buffer()
        self._end = self.stored_bytes = upload.received_bytes
        self._sending: asyncio.Task[UploadPart] | None = None
        # Parts that are stored and not committed, and the objects that they replace.
        self._added: list[UploadPart] = []
        self._replaced: list[UploadPart] = []

    async def open(self) -> None:
        """Find the stored bytes that are not a part yet."""
        if not self.stored_bytes:
            return
        async with self._database.read_session() as session:
            self._tail = list(await UploadRepository(session).list_tail(self._upload_id))

    @property
    def _tail_bytes(self) -> int:
        return sum(part.size for part in self._tail)

    async def write(self, chunks: AsyncIterator[bytes]) -> None:
        """Store the full parts of these bytes; up to a part remains in memory.

        Raises AppendSuperseded, StorageQuotaExceeded, StorageUnavailable, UploadEnded, and the errors of `chunks`.
        """
        async for chunk in chunks:
            rest = chunk
            while rest:
                if self._tail_bytes + self._buffer.size == PART_BYTES:
                    # Not before there is more: the last part of an upload is stored by its completion.
                    await self._send_part()
                room = PART_BYTES - self._tail_bytes - self._buffer.size
                self._buffer.add(rest[:room])
                rest = rest[room:]

    async def save(self) -> int:
        """Store the bytes that remain in memory, and return the offset of the upload."""
        await self._finish_sending()
        if chunks := self._buffer.take():
            start, end = self._end, self._end + length(chunks)
            await self._reservation.extend(end)
            if len(self._tail) >= MAX_TAIL_OBJECTS:
                chunks = [*await self._load_tail(), *chunks]
                start -= self._tail_bytes
                self._replaced += self._tail
                self._tail = []
            self._added.append(await self._put_tail_object(start, chunks))
            self._end = end
        await self._commit()
        return self._end

    async def take_remainder(self) -> Remainder:
        """Return the bytes that are in no part of the multipart upload, for the completion of the upload."""
        await self._finish_sending()
        await self._commit()
        chunks = [*await self._load_tail(), *self._buffer.take()]
        start = self._end - self._tail_bytes
        multipart = None if self._multipart_id is None else await self._list_parts(self._multipart_id)
        return Remainder(start, chunks, multipart)

    async def discard(self) -> None:
        """End without the bytes that are not part of the upload yet."""
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)
            self._sending = None
        self._buffer.take()

    async def _send_part(self) -> None:
        body = [*await self._load_tail(), *self._buffer.take()]
        await self._finish_sending()
        if self._multipart_id is None:
            self._multipart_id = await self._begin()
        start = self._end - self._tail_bytes
        stored_parts = self._next_number - FREE_DISCARDED_PARTS
        await self._reservation.extend(max(start + PART_BYTES, stored_parts * PART_BYTES))
        self._replaced += self._tail
        self._tail = []
        number = await self._take_number()
        self._sending = asyncio.create_task(self._put_part(start, number, body))

    async def _take_number(self) -> int:
        """Return a part number that no other request uses: a part that was cancelled may still reach the store."""
        number = self._require_number()
        self._next_number += 1
        await self._change({"next_part_number": self._next_number})
        return number

    def _require_number(self) -> int:
        if self._next_number > MAX_PART_NUMBER:
            raise UploadEnded(TOO_MANY_PARTS)
        return self._next_number

    async def _list_parts(self, multipart_id: str) -> StoredMultipart:
        number = self._require_number()
        async with self._database.unit_of_work() as session:
            repository = UploadRepository(session)
            # The same transaction: a later request may store parts as soon as it is the writer.
            await self._require_writer(repository, {"next_part_number": number + 1})
            rows = await repository.list_parts(self._upload_id)
        parts = [StoredPart(row.part_number, row.etag) for row in rows if row.part_number and row.etag]
        return StoredMultipart(multipart_id, parts, number)

    async def _finish_sending(self) -> None:
        """Wait for the part that is being sent."""
        if self._sending is None:
            return
        sending, self._sending = self._sending, None
        part = await sending
        self._added.append(part)
        self._end = part.start + part.size
        if not self._defers_offset:
            await self._commit()

    async def _commit(self) -> None:
        """Make the stored parts part of the upload. Raises AppendSuperseded."""
        if not self._added:
            return
        async with self._database.unit_of_work() as session:
            repository = UploadRepository(session)
            values = {"received_bytes": self._end, "expires_at": utc_now() + self._lifetime}
            await self._require_writer(repository, values)
            await repository.remove_parts(self._upload_id, self._replaced)
            await repository.add_parts(self._added)
        self.stored_bytes = self._end
        self._tail += [part for part in self._added if part.storage_key is not None]
        self._added, self._replaced = [], []

    async def _change(self, values: dict[str, Any]) -> None:
        async with self._database.unit_of_work() as session:
            await self._require_writer(UploadRepository(session), values)

    async def _require_writer(self, repository: UploadRepository, values: dict[str, Any]) -> None:
        if not await repository.change(self._upload_id, self._writer, values):
            raise AppendSuperseded

    async def _begin(self) -> str:
        begun = await self._object_store.begin_multipart(self._key, CONTENT_TYPE)
        try:
            await self._change({"multipart_id": begun})
        except AppendSuperseded:
            await self._object_store.abort(self._key, begun)
            raise
        return begun

    async def _put_part(self, start: int, number: int, body: list[bytes]) -> UploadPart:
        assert self._multipart_id is not None  # noqa: S101 - begun before
        try:
            part = await self._object_store.put_part(self._key, self._multipart_id, number, body)
        except ObjectMissing as error:
            raise UploadEnded(LOST_BYTES) from error
        return UploadPart(
            upload_id=self._upload_id, start=start, size=length(body), part_number=part.number, etag=part.etag
        )

    async def _put_tail_object(self, start: int, chunks: list[bytes]) -> UploadPart:
        key = new_tail_key()
        async with self._database.unit_of_work() as session:
            await OrphanRepository(session).mark_orphaned([key])
        await self._object_store.put_whole(key, chunks, CONTENT_TYPE)
        return UploadPart(upload_id=self._upload_id, start=start, size=length(chunks), storage_key=key)

    async def _load_tail(self) -> list[bytes]:
        loaded: list[bytes] = []
        for part in self._tail:
            assert part.storage_key is not None  # noqa: S101 - those without are no tail
            try:
                async with self._object_store.open(part.storage_key) as opened:
                    loaded += [chunk async for chunk in opened.chunks]
            except ObjectMissing as error:
                raise UploadEnded(LOST_BYTES) from error
        return loaded


class _Buffer:
    """Received bytes in chunks of at least MIN_CHUNK_BYTES: a client may send one byte at a time."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._small: list[bytes] = []
        self._small_bytes = 0
        self.size = 0

    def add(self, chunk: bytes) -> None:
        self.size += len(chunk)
        self._small.append(chunk)
        self._small_bytes += len(chunk)
        if self._small_bytes >= MIN_CHUNK_BYTES:
            self._join()

    def take(self) -> list[bytes]:
        """Return the bytes, and forget them."""
        self._join()
        chunks, self._chunks, self.size = self._chunks, [], 0
        return chunks

    def _join(self) -> None:
        if self._small:
            self._chunks.append(self._small[0] if len(self._small) == 1 else b"".join(self._small))
            self._small, self._small_bytes = [], 0
