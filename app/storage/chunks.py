"""Bodies as streams of chunks."""

from collections.abc import AsyncIterator

# S3 refuses parts under 5 MiB, all but the last.
PART_BYTES = 5 * 1024 * 1024


async def regrouped(chunks: AsyncIterator[bytes], size: int = PART_BYTES) -> AsyncIterator[bytes]:
    """Yield the same bytes in pieces of exactly `size`, but for the last; nothing for an empty body."""
    # Chunks are kept as they are and joined once: a growing buffer would need the part's memory several times over.
    held: list[bytes] = []
    missing = size
    async for chunk in chunks:
        rest = chunk
        while len(rest) >= missing:
            held.append(rest[:missing])
            rest = rest[missing:]
            part = b"".join(held)
            held.clear()
            missing = size
            yield part
            del part
        if rest:
            held.append(rest)
            missing -= len(rest)
    if held:
        yield b"".join(held)


async def chained(head: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield `head`, without holding it any longer than that, then the rest."""
    yield head
    del head
    async for chunk in rest:
        yield chunk
