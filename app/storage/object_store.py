"""The object store (Minio, or any server of the S3 API). The only module that imports miniopy_async.

Its public `put_object` cannot be used for a body of unknown length: it reads ahead without bound, or loses the upload
when the size is a multiple of the part size; and `multipart_uploader` completes the object when its body raises. So the
part loop is ours, over the library's private calls; the library is pinned exactly and `tests/storage` holds the
contract.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO
from typing import Any

import aiohttp
from miniopy_async.api import Minio
from miniopy_async.datatypes import Part
from miniopy_async.deleteobjects import DeleteObject
from miniopy_async.error import MinioException, S3Error

from app.core.errors import NotFound, StorageUnavailable
from app.core.settings import Settings

# S3 refuses parts under 5 MiB, all but the last.
PART_BYTES = 5 * 1024 * 1024
READ_BYTES = 256 * 1024
CONNECT_TIMEOUT = 1.5
READ_TIMEOUT = 30
PING_TIMEOUT = 1.5
_MISSING = ("NoSuchKey", "NoSuchUpload")


class ObjectMissing(NotFound):
    """The store has no object under this key."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What the store holds now: its size in bytes and its entity tag."""

    size: int
    etag: str


class ObjectStore:
    """One bucket. Opening it connects to nothing yet."""

    def __init__(self, settings: Settings) -> None:
        self.bucket = settings.storage_bucket
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=200),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT, sock_read=READ_TIMEOUT),
            auto_decompress=False,
        )
        self._client = Minio(
            settings.storage_endpoint,
            access_key=settings.storage_access_key,
            secret_key=settings.storage_secret_key.get_secret_value(),
            secure=settings.storage_secure,
            region=settings.storage_region,
            session=self._session,
            server_url=_public_url(settings),
        )

    async def ensure_bucket(self) -> None:
        """Make the bucket unless it exists."""
        async with _translated_errors():
            if not await self._client.bucket_exists(self.bucket):
                await self._make_bucket()

    async def ping(self) -> None:
        """Ask the store for a sign of life. Raises StorageUnavailable, also when the bucket is missing."""
        async with _translated_errors(), asyncio.timeout(PING_TIMEOUT):
            if not await self._client.bucket_exists(self.bucket):
                raise StorageUnavailable("The bucket does not exist")

    async def put(self, key: str, chunks: AsyncIterator[bytes], content_type: str) -> StoredObject:
        """Store the bytes of `chunks` under `key`, holding one part in memory, and return what the store has then.

        A body that fits one part is one request. Whatever goes wrong meanwhile, cancellation included, leaves no
        multipart upload behind. Raises StorageUnavailable, and whatever `chunks` raises.
        """
        parts = _regrouped(chunks, PART_BYTES)
        first = await anext(parts, b"")
        if len(first) < PART_BYTES:
            return await self._put_whole(key, first, content_type)
        return await self._put_parts(key, first, parts, content_type)

    @asynccontextmanager
    async def open(self, key: str, offset: int = 0, length: int | None = None) -> AsyncIterator[AsyncIterator[bytes]]:
        """Yield the bytes of an object, or of a range of it, as chunks. Raises ObjectMissing, StorageUnavailable."""
        async with _translated_errors():
            response = await self._client.get_object(self.bucket, key, offset=offset, length=length or 0)
        try:
            yield _translated_chunks(response)
        finally:
            # Not release(): an object that was not read to its end would be drained first.
            response.close()

    async def stat(self, key: str) -> StoredObject:
        """Return what the store holds under `key`. Raises ObjectMissing."""
        async with _translated_errors():
            found = await self._client.stat_object(self.bucket, key)
        return StoredObject(int(found.size or 0), (found.etag or "").strip('"'))

    async def list_keys(self, prefix: str = "") -> list[str]:
        """Return every key that starts so."""
        async with _translated_errors():
            listed = self._client.list_objects(self.bucket, prefix=prefix, recursive=True)
            return [found.object_name async for found in listed if found.object_name]

    async def remove(self, keys: Iterable[str]) -> None:
        """Remove these objects; one that is not there is no error. Raises StorageUnavailable when any remains."""
        doomed = [DeleteObject(key) for key in keys]
        async with _translated_errors():
            for start in range(0, len(doomed), 1000):
                result = await self._client._delete_objects(self.bucket, doomed[start : start + 1000], quiet=True)  # noqa: SLF001
                if any(error.code not in _MISSING for error in result.error_list):
                    raise StorageUnavailable("The object store could not remove every object")

    async def presign(self, key: str, lifetime: timedelta, response_headers: dict[str, str]) -> str:
        """Return a URL that fetches the object without credentials for `lifetime`."""
        return str(
            await self._client.presigned_get_object(
                self.bucket, key, expires=lifetime, response_headers=dict(response_headers)
            )
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()

    async def _make_bucket(self) -> None:
        try:
            await self._client.make_bucket(self.bucket)
        except S3Error as error:
            # Another worker that starts at the same moment may have made it.
            if error.code not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                raise

    async def _put_whole(self, key: str, body: bytes, content_type: str) -> StoredObject:
        async with _translated_errors():
            result = await self._client.put_object(
                self.bucket, key, BytesIO(body), len(body), content_type=content_type
            )
        digest = hashlib.md5(body, usedforsecurity=False).hexdigest()
        if result.etag != digest:
            raise StorageUnavailable("The object store has other bytes than were sent")
        return StoredObject(len(body), digest)

    async def _put_parts(self, key: str, first: bytes, rest: AsyncIterator[bytes], content_type: str) -> StoredObject:
        client: Any = self._client
        async with _translated_errors():
            upload_id = await client._create_multipart_upload(self.bucket, key, {"Content-Type": content_type})  # noqa: SLF001
        try:
            parts = [await self._put_part(key, upload_id, 1, first)]
            size = len(first)
            del first
            async for body in rest:
                parts.append(await self._put_part(key, upload_id, len(parts) + 1, body))
                size += len(body)
            async with _translated_errors():
                await client._complete_multipart_upload(self.bucket, key, upload_id, parts)  # noqa: SLF001
        except BaseException:
            await asyncio.shield(self._abort(key, upload_id))
            raise
        stored = await self.stat(key)
        if stored.size != size:
            raise StorageUnavailable("The object store has other bytes than were sent")
        return stored

    async def _put_part(self, key: str, upload_id: str, number: int, body: bytes) -> Part:
        async with _translated_errors():
            etag = await self._client._upload_part(self.bucket, key, body, None, upload_id, number)  # noqa: SLF001
        if etag != hashlib.md5(body, usedforsecurity=False).hexdigest():
            raise StorageUnavailable("The object store has other bytes than were sent")
        return Part(number, etag)

    async def _abort(self, key: str, upload_id: str) -> None:
        # Best effort: the sweeper's audit ends what a store that is down now keeps.
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT), _translated_errors():
                await self._client._abort_multipart_upload(self.bucket, key, upload_id)  # noqa: SLF001
        except (StorageUnavailable, ObjectMissing):
            return


@asynccontextmanager
async def _translated_errors() -> AsyncIterator[None]:
    try:
        yield
    except S3Error as error:
        if error.code in _MISSING:
            raise ObjectMissing from error
        raise StorageUnavailable from error
    except (MinioException, aiohttp.ClientError, OSError, TimeoutError) as error:
        raise StorageUnavailable from error


async def _translated_chunks(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    async with _translated_errors():
        async for chunk in response.content.iter_chunked(READ_BYTES):
            yield chunk


async def _regrouped(chunks: AsyncIterator[bytes], size: int) -> AsyncIterator[bytes]:
    """Yield the same bytes in pieces of exactly `size`, but for the last; nothing for an empty body."""
    buffer = bytearray()
    async for chunk in chunks:
        buffer += chunk
        while len(buffer) >= size:
            yield bytes(buffer[:size])
            del buffer[:size]
    if buffer:
        yield bytes(buffer)


def _public_url(settings: Settings) -> str | None:
    if settings.storage_public_endpoint is None:
        return None
    return f"{'https' if settings.storage_secure else 'http'}://{settings.storage_public_endpoint}"
