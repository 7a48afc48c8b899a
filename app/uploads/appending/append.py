"""One append to a resumable upload: the declarations of its request, their checks, and the receipt of its body."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import NamedTuple

from app.core.errors import AppError, ClientDisconnected, PayloadTooLarge, RequestTimeout
from app.images.storage_keys import new_original_key
from app.models import Upload
from app.storage.chunks import PART_BYTES
from app.uploads.appending.active_appends import ActiveAppend
from app.uploads.appending.inspection import Checksum, Inspection
from app.uploads.appending.part_uploader import PartUploader
from app.uploads.errors import AppendSuperseded, AppendTooLarge, ExcessBytes, InconsistentLength, OffsetMismatch
from app.uploads.repository import WholeFile


@dataclass(frozen=True, slots=True)
class Append:
    """The declarations of a request that appends.

    `completes` is whether the upload ends with it; None means at its length. `content_length` is the declared length of
    the body. With `cancels_excess`, a body beyond the length of the upload ends the upload.
    """

    offset: int
    completes: bool | None = None
    length: int | None = None
    content_length: int | None = None
    checksum: Checksum | None = None
    cancels_excess: bool = False


class Limits(NamedTuple):
    """The length of an upload, if it is known, and the limit of all uploads."""

    length: int | None
    max_bytes: int


class Appending:
    """One append: it reads the body into an uploader of parts, and decides what becomes of the bytes after an error."""

    def __init__(
        self,
        part_uploader: PartUploader,
        active: ActiveAppend,
        request: Append,
        inspection: Inspection | None,
        start: int,
        limits: Limits,
    ) -> None:
        self.part_uploader = part_uploader
        self.inspection = inspection
        self.completes = False
        self._active = active
        self._request = request
        self._received = start
        # The error of the file, until the checksum shows whether the client sent these bytes.
        self._refused: AppError | None = None
        self._length = limits.length
        self._max_bytes = limits.max_bytes

    async def run(self, body: AsyncGenerator[bytes]) -> int:
        """Store the body, and return the offset. If the upload ends with it, the last bytes remain in memory."""
        try:
            await self.part_uploader.write(self._checked(self._active.read(body)))
        except (ClientDisconnected, RequestTimeout, AppendSuperseded, asyncio.CancelledError):
            if self._active.keeps and self._request.checksum is None:
                await asyncio.shield(self.part_uploader.save())
            else:
                await self.part_uploader.discard()
            raise
        except BaseException:
            await self.part_uploader.discard()
            raise
        if self._request.checksum is not None and not self._request.checksum.is_right():
            await self.part_uploader.discard()
            raise self._request.checksum.error
        if self._refused is not None:
            await self.part_uploader.discard()
            raise self._refused
        at_length = self._received == self._length
        self.completes = at_length if self._request.completes is None else self._request.completes
        if not self.completes:
            return await self.part_uploader.save()
        if self._length is not None and not at_length:
            await self.part_uploader.discard()
            raise InconsistentLength(f"The upload ends at {self._received} of {self._length} bytes.")
        return self._received

    async def _checked(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for chunk in chunks:
            self._received += len(chunk)
            if self._length is not None and self._received > self._length:
                raise _excess(self._request, self._length)
            if self._received > self._max_bytes:
                raise PayloadTooLarge(f"The file is larger than {self._max_bytes} bytes")
            if self.inspection is not None:
                self._inspect(self.inspection, chunk)
            if self._request.checksum is not None:
                self._request.checksum.update(chunk)
            yield chunk

    def _inspect(self, inspection: Inspection, chunk: bytes) -> None:
        try:
            inspection.feed(chunk)
        except AppError as error:
            if self._request.checksum is None:
                raise
            self._refused, self.inspection = error, None


def whole_file(request: Append) -> WholeFile | None:
    """Return the size and a new key of a file that the request may end and that fits one part; None otherwise."""
    if (
        request.completes is False
        or request.content_length is None
        or request.offset + request.content_length > PART_BYTES
    ):
        return None
    return WholeFile(request.offset + request.content_length, new_original_key())


def check_offset(upload: Upload, request: Append) -> None:
    if request.offset != upload.received_bytes:
        raise OffsetMismatch(upload.received_bytes, request.offset)


def check_content_length(upload: Upload, request: Append, length: int | None) -> None:
    if length is not None and request.content_length is not None:
        end = upload.received_bytes + request.content_length
        if end > length:
            raise _excess(request, length)
        if request.completes and end != length:
            raise InconsistentLength(f"The upload ends at {end} of {length} bytes.")


def _excess(request: Append, length: int) -> AppError:
    detail = f"The upload has a length of {length} bytes. The request has more."
    return ExcessBytes(detail) if request.cancels_excess else AppendTooLarge(detail)
