"""The bytes of an uploaded file in transit: measured, and inspected."""

import hashlib
from collections.abc import AsyncIterable, AsyncIterator

from app.core.errors import PayloadTooLarge
from app.media.image_header import HeaderReader, ImageHeader


class HashingStream:
    """Yields chunks; counts their bytes, computes their SHA-256 and raises PayloadTooLarge over the limit."""

    def __init__(self, chunks: AsyncIterator[bytes], limit: int) -> None:
        self._chunks = chunks
        self._limit = limit
        self._digest = hashlib.sha256()
        self.size = 0

    @property
    def sha256(self) -> bytes:
        return self._digest.digest()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._chunks:
            self.size += len(chunk)
            if self.size > self._limit:
                raise PayloadTooLarge(f"The file is larger than {self._limit} bytes")
            self._digest.update(chunk)
            yield chunk


async def feed_reader(chunks: AsyncIterable[bytes], reader: HeaderReader) -> AsyncIterator[bytes]:
    """Yield the same chunks, after the reader has read them, until it knows the header."""
    header: ImageHeader | None = None
    async for chunk in chunks:
        header = header or reader.feed(chunk)
        yield chunk
