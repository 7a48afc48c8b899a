"""The object store (Minio, or any server of the S3 API). Only `app.storage` imports miniopy_async.

The library's `put_object` cannot store a body of unknown length: it reads ahead without bound, or loses the upload if
the size is a multiple of the part size. Its `multipart_uploader` completes the object even if the body raises.
Therefore the loop over the parts is here and uses private calls of the library. Its version is pinned, and
`tests/storage` checks the behaviour.
"""

import asyncio
import contextlib
import hashlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import aiohttp
from miniopy_async.datatypes import Part
from miniopy_async.deleteobjects import DeleteObject
from miniopy_async.error import InvalidResponseError, S3Error, ServerError

from app.core.concurrency import wait_loop_ticks
from app.core.errors import StorageUnavailable
from app.core.settings import StorageSettings
from app.storage.chunks import PART_BYTES, length, prepend, split_parts
from app.storage.download import Download, OpenObject
from app.storage.s3_client import READ_TIMEOUT, Body, Chunks, connect, open_session
from app.storage.timeouts import MIN_BYTES_PER_SECOND, MISSING_CODES, ObjectMissing, request_timeout, translate_errors

# A transfer that stalls for PROBE_AFTER seconds triggers a probe of the store, which must respond in PING_SECONDS.
PROBE_AFTER = 0.9
PING_SECONDS = 1.0
# Larger than what SeaweedFS keeps beside an object's name, where a full disk may still have room.
WRITE_CHECK_BYTES = 16 * 1024
WRITE_CHECK_KEY = "readiness-check"
WRITE_CHECK_SECONDS = 10.0
# Per pool. Downloads have their own pool, so slow clients leave connections for uploads and probes.
MAX_CONNECTIONS = 200
MAX_READING = 500
# Larger bodies are digested in a thread. For smaller ones, the switch costs more than the digest.
_MIN_THREADED_DIGEST_BYTES = 256 * 1024
_RETRIED_STATUS = range(500, 600)

T = TypeVar("T")


class ChecksumMismatch(StorageUnavailable):
    """The stored bytes differ from the bytes that were sent."""

    def __init__(self) -> None:
        super().__init__("The object store has other bytes than were sent, or entity tags that are no MD5 digests")


@dataclass(frozen=True, slots=True)
class ListedObject:
    """An entry of a listing; `modified` is the time of its upload."""

    key: str
    size: int
    modified: datetime


@dataclass(frozen=True, slots=True)
class PendingUpload:
    """A multipart upload that was started and neither completed nor aborted."""

    key: str
    upload_id: str
    begun: datetime


@dataclass(frozen=True, slots=True)
class StoredPart:
    """The number and the entity tag of a part that the store has."""

    number: int
    etag: str


class ObjectStore:
    """One bucket. Opening it connects to nothing yet."""

    def __init__(self, settings: StorageSettings, trace_configs: Sequence[aiohttp.TraceConfig] = ()) -> None:
        self.bucket = settings.storage_bucket
        self._writable_until = 0.0
        self._session, self._reading_session = (
            open_session(limit, trace_configs) for limit in (MAX_CONNECTIONS, MAX_READING)
        )
        self._client = connect(settings, self._session)
        self._reader = connect(settings, self._reading_session)
        # Signs URLs for clients, which reach the store under its public name.
        self._public = connect(settings, self._session, settings.storage_public_endpoint)

    async def ensure_bucket(self) -> None:
        """Create the bucket unless it exists."""
        async with request_timeout():
            if not await self._client.bucket_exists(self.bucket):
                await self._make_bucket()

    async def ping(self) -> None:
        """Check that the store responds. Raises StorageUnavailable, also when the bucket is missing."""
        async with request_timeout():
            if not await self._client.bucket_exists(self.bucket):
                raise StorageUnavailable("The bucket does not exist")

    async def check_writable(self) -> None:
        """Store and delete an object, at most every WRITE_CHECK_SECONDS after a success. Raises StorageUnavailable."""
        if time.monotonic() < self._writable_until:
            return
        self._writable_until = 0
        await self.put_whole(WRITE_CHECK_KEY, [bytes(WRITE_CHECK_BYTES)], "application/octet-stream")
        await self.remove([WRITE_CHECK_KEY])
        self._writable_until = time.monotonic() + WRITE_CHECK_SECONDS

    async def put(self, key: str, chunks: AsyncIterator[bytes], content_type: str) -> None:
        """Store the bytes of `chunks` under `key`, with at most two parts in memory.

        A body that fits one part is one request. A failure, cancellation included, leaves no multipart upload behind.
        Raises StorageUnavailable, and the errors of `chunks`.
        """
        parts = split_parts(chunks)
        first: list[bytes] = await anext(parts, [])
        if length(first) < PART_BYTES:
            await self.put_whole(key, first, content_type)
            return
        parts = prepend(first, parts)
        del first
        await self.put_parts(key, parts, content_type)

    async def put_whole(self, key: str, body: Chunks, content_type: str) -> None:
        """Store these bytes in one request and verify their digest. Raises ChecksumMismatch, StorageUnavailable."""
        await self._put(key, body, {"Content-Type": content_type}, None)

    async def put_parts(self, key: str, parts: AsyncIterator[Chunks], content_type: str) -> None:
        """Store a body in parts of PART_BYTES, made by `split_parts`. One is sent while the next one is gathered."""
        upload_id = await self.begin_multipart(key, content_type)
        sending: asyncio.Task[StoredPart] | None = None
        try:
            sent: list[StoredPart] = []
            size = 0
            async for part in parts:
                if sending:
                    sent.append(await sending)
                size += length(part)
                sending = asyncio.create_task(self.put_part(key, upload_id, len(sent) + 1, part))
                # Free the part before the next one is gathered.
                del part
            if sending:
                sent.append(await sending)
            await self._complete(key, upload_id, sent, size)
        except BaseException:
            await asyncio.shield(self._abort_upload(key, upload_id, sending))
            raise
        await self._require_size(key, size)

    async def begin_multipart(self, key: str, content_type: str) -> str:
        """Begin an object whose parts come in several requests; return the id of the multipart upload."""
        client: Any = self._client
        async with request_timeout():
            return str(await client._create_multipart_upload(self.bucket, key, {"Content-Type": content_type}))  # noqa: SLF001

    async def put_part(self, key: str, multipart_id: str, number: int, body: Chunks) -> StoredPart:
        """Store a part. Raises ObjectMissing if the multipart upload has ended, ChecksumMismatch."""
        query = {"partNumber": str(number), "uploadId": multipart_id}
        return StoredPart(number, await self._put(key, body, {}, query))

    async def complete_multipart(self, key: str, multipart_id: str, parts: Sequence[StoredPart], size: int) -> None:
        """Make an object of `size` bytes of these parts, whose numbers ascend. Raises like `put_part`."""
        await self._complete(key, multipart_id, parts, size)
        await self._require_size(key, size)

    @asynccontextmanager
    async def open(self, key: str, offset: int = 0, length: int | None = None) -> AsyncIterator[OpenObject]:
        """Open an object, or a range of it, for reading. Raises ObjectMissing, StorageUnavailable.

        A connection that is read to the end serves the next request. Otherwise it is closed, because the store would
        continue to send. A slow consumer holds no connection.
        """
        reading = Download(partial(self._reader.get_object, self.bucket, key), offset)
        try:
            size = await reading.begin(length)
            yield OpenObject(size, reading.chunks())
        finally:
            reading.close()

    async def size_of(self, key: str) -> int:
        """Return how many bytes the store has under `key`. Raises ObjectMissing."""
        async with request_timeout():
            found = await self._client.stat_object(self.bucket, key)
        return int(found.size or 0)

    async def remove(self, keys: Iterable[str]) -> set[str]:
        """Remove these objects; a missing one is no error. Return the keys that the store refuses to remove."""
        refused: set[str] = set()
        listed = list(keys)
        for start in range(0, len(listed), 1000):
            batch = [DeleteObject(key) for key in listed[start : start + 1000]]
            # Some stores delete the objects of a batch one by one, so the timeout grows with the batch.
            async with request_timeout(len(batch) * MIN_BYTES_PER_SECOND // 100):
                result = await self._client._delete_objects(self.bucket, batch, quiet=True)  # noqa: SLF001
            refused |= {error.name or "" for error in result.error_list if error.code not in MISSING_CODES}
        if not refused <= set(listed):
            raise StorageUnavailable("The object store reported a failed deletion without a key")
        return refused

    async def list_objects(self) -> AsyncIterator[ListedObject]:
        """Yield every object of the bucket but that of `check_writable`, by key.

        Raises StorageUnavailable when the listing breaks off.
        """
        listing = self._client.list_objects(self.bucket, recursive=True)
        while True:
            async with translate_errors(), asyncio.timeout(READ_TIMEOUT):
                found = await anext(listing, None)
            if found is None:
                return
            if found.object_name is None or found.last_modified is None:
                raise StorageUnavailable("The object store returned a listing without keys or times")
            if found.object_name == WRITE_CHECK_KEY:
                continue
            yield ListedObject(found.object_name, int(found.size or 0), found.last_modified)

    async def list_uploads(self) -> list[PendingUpload]:
        """Return the multipart uploads in progress or abandoned. Raises StorageUnavailable."""
        client: Any = self._client
        found: list[PendingUpload] = []
        key_marker = id_marker = None
        while True:
            async with translate_errors(), asyncio.timeout(READ_TIMEOUT):
                page = await client._list_multipart_uploads(  # noqa: SLF001
                    self.bucket, key_marker=key_marker, upload_id_marker=id_marker
                )
            found += [PendingUpload(one.object_name, one.upload_id, one.initiated_time) for one in page.uploads]
            if not page.is_truncated or not page.next_key_marker:
                return found
            key_marker, id_marker = page.next_key_marker, page.next_upload_id_marker

    async def abort(self, key: str, upload_id: str) -> None:
        """Abort a multipart upload and delete its parts; a missing upload is no error. Raises StorageUnavailable."""
        try:
            async with request_timeout():
                await self._client._abort_multipart_upload(self.bucket, key, upload_id)  # noqa: SLF001
        except ObjectMissing:
            return

    async def presign(self, key: str, lifetime: timedelta, response_headers: dict[str, str]) -> str:
        """Return a URL by which a client fetches the object without credentials for `lifetime`."""
        headers: dict[str, Any] = dict(response_headers)
        return str(
            await self._public.presigned_get_object(self.bucket, key, expires=lifetime, response_headers=headers)
        )

    async def presign_internal(self, key: str, lifetime: timedelta) -> str:
        """Return a URL under the internal endpoint, for the decoder processes."""
        return str(await self._client.presigned_get_object(self.bucket, key, expires=lifetime))

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()
        await self._reading_session.close()

    async def _make_bucket(self) -> None:
        try:
            await self._client.make_bucket(self.bucket)
        except S3Error as error:
            # Another worker that starts at the same moment may have made it.
            if error.code not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                raise

    async def _complete(self, key: str, multipart_id: str, parts: Sequence[StoredPart], size: int) -> None:
        client: Any = self._client
        sent = [Part(part.number, part.etag) for part in parts]
        # A store may concatenate the parts before it responds.
        async with self._transfer_timeout(size):
            await client._complete_multipart_upload(self.bucket, key, multipart_id, sent)  # noqa: SLF001

    async def _require_size(self, key: str, size: int) -> None:
        if await self.size_of(key) != size:
            raise ChecksumMismatch

    async def _put(self, key: str, body: Chunks, headers: dict[str, Any], query: dict[str, Any] | None) -> str:
        """Send a body and return its entity tag, which is the digest of what was sent. Raises ChecksumMismatch."""

        async def put() -> str:
            client: Any = self._client
            result = await client._put_object(self.bucket, key, Body(body), headers, query)  # noqa: SLF001
            return str(result.etag)

        async with self._transfer_timeout(length(body)):
            if length(body) < _MIN_THREADED_DIGEST_BYTES:
                etag, digest = await _retried(put), _md5(body)
            else:
                etag, digest = await asyncio.gather(_retried(put), asyncio.to_thread(_md5, body))
        if etag != digest:
            raise ChecksumMismatch
        return digest

    @asynccontextmanager
    async def _transfer_timeout(self, size: int) -> AsyncIterator[None]:
        """Limit the time for `size` bytes, and end it early if the store stops responding to probes."""
        loop = asyncio.get_running_loop()
        watching: list[asyncio.Task[None]] = []
        async with request_timeout(size) as limit:
            # Most transfers end before the first probe, so no task is created for them.
            probe_timer = loop.call_later(
                PROBE_AFTER, lambda: watching.append(loop.create_task(self._end_when_frozen(limit)))
            )
            try:
                yield
            finally:
                probe_timer.cancel()
                for task in watching:
                    task.cancel()

    async def _end_when_frozen(self, limit: asyncio.Timeout) -> None:
        while not limit.expired():
            try:
                await wait_loop_ticks(self.ping(), PING_SECONDS)
            except (StorageUnavailable, TimeoutError):
                limit.reschedule(0)
                return
            await asyncio.sleep(PROBE_AFTER)

    async def _abort_upload(self, key: str, upload_id: str, sending: asyncio.Task[StoredPart] | None) -> None:
        if sending:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
        # Best effort: the consistency check aborts what remains in a store that is down now.
        with contextlib.suppress(StorageUnavailable):
            await self.abort(key, upload_id)


async def _retried(call: Callable[[], Awaitable[T]]) -> T:
    """Retry once after a 5xx or a lost connection: sending the same bytes is safe."""
    try:
        return await call()
    except (ServerError, InvalidResponseError, S3Error) as error:
        if _status(error) not in _RETRIED_STATUS:
            raise
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientError, ConnectionError):
        # The store had closed a kept connection, or the connection was lost.
        pass
    return await call()


def _status(error: S3Error | ServerError | InvalidResponseError) -> int:
    if isinstance(error, S3Error):
        return int(error.response.status)
    if isinstance(error, ServerError):
        return error.status_code
    return int(error._code)  # noqa: SLF001 - the library gives it no public name


def _md5(body: Chunks) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    for chunk in body:
        digest.update(chunk)
    return digest.hexdigest()
