"""Bodies as streams of chunks."""

from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

# S3 refuses parts under 5 MiB, all but the last.
PART_BYTES = 5 * 1024 * 1024
MIN_CHUNK_BYTES = 64 * 1024

Item = TypeVar("Item")


async def split_parts(chunks: AsyncIterator[bytes], size: int = PART_BYTES) -> AsyncIterator[list[bytes]]:
    """Yield the same bytes in parts of exactly `size`, but for the last; none for an empty body.

    A part is a list of chunks, which are not joined: that would need its memory twice.
    """
    part: list[bytes] = []
    missing = size
    async for chunk in rechunk(chunks):
        rest = chunk
        while len(rest) >= missing:
            part.append(rest[:missing])
            rest = rest[missing:]
            yield part
            part, missing = [], size
        if rest:
            part.append(rest)
            missing -= len(rest)
    if part:
        yield part


async def rechunk(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the same bytes in chunks of at least MIN_CHUNK_BYTES, except for the last.

    Each chunk is written separately later, and a client may send one byte at a time.
    """
    small: list[bytes] = []
    size = 0
    async for chunk in chunks:
        small.append(chunk)
        size += len(chunk)
        if size >= MIN_CHUNK_BYTES:
            joined = b"".join(small)
            small, size = [], 0
            yield joined
            del joined
    if small:
        yield b"".join(small)


async def prepend(head: Item, rest: AsyncIterator[Item]) -> AsyncIterator[Item]:
    """Yield `head`, then the rest, holding none of it any longer than that."""
    yield head
    del head
    async for item in rest:
        yield item
        del item


def length(part: Sequence[bytes]) -> int:
    """Return the number of bytes of a part."""
    return sum(map(len, part))
