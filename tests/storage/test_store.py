"""What is asked of the library's private calls, and of the store."""

import os
from collections.abc import AsyncIterator

import pytest

from app.storage.chunks import PART_BYTES
from app.storage.object_store import ObjectStore


async def one_piece(body: bytes) -> AsyncIterator[bytes]:
    yield body


async def test_parts_of_every_size_are_stored_whole(object_store: ObjectStore) -> None:
    for size in (0, 1, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 2 * PART_BYTES):
        body = os.urandom(size)
        await object_store.put("originals/x", one_piece(body), "image/png")
        assert await object_store.size_of("originals/x") == size
        async with object_store.open("originals/x") as opened:
            assert b"".join([chunk async for chunk in opened.chunks]) == body


async def test_a_body_that_breaks_off_leaves_no_parts(empty_bucket: ObjectStore) -> None:
    async def breaking() -> AsyncIterator[bytes]:
        yield bytes(2 * PART_BYTES)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await empty_bucket.put("originals/y", breaking(), "image/png")
    assert not await empty_bucket.list_uploads()
