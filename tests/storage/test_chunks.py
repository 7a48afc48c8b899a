from collections.abc import AsyncIterator

import pytest

from app.storage.chunks import MIN_CHUNK_BYTES, length, split_parts

PART = 3 * MIN_CHUNK_BYTES + 5


async def cut(body: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


@pytest.mark.parametrize(
    "chunk_bytes", [1, 7, MIN_CHUNK_BYTES - 1, MIN_CHUNK_BYTES, MIN_CHUNK_BYTES + 1, PART, 10 * PART]
)
@pytest.mark.parametrize("size", [0, 1, PART - 1, PART, PART + 1, 2 * PART])
async def test_parts_have_their_size_for_any_input(size: int, chunk_bytes: int) -> None:
    body = bytes(number % 251 for number in range(size))
    parts = [part async for part in split_parts(cut(body, chunk_bytes), PART)]
    assert b"".join(piece for part in parts for piece in part) == body
    assert all(length(part) == PART for part in parts[:-1])
    assert all(0 < length(part) <= PART for part in parts)


async def test_single_bytes_are_joined_into_chunks() -> None:
    (part,) = [part async for part in split_parts(cut(bytes(PART), 1), PART)]
    assert len(part) <= PART // MIN_CHUNK_BYTES + 1
