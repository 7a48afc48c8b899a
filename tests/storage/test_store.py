"""The assumptions about the client library's private calls, and the store's own behaviour."""

import asyncio
import os
from collections.abc import AsyncIterator

import pytest

from app.storage import download
from app.storage.chunks import PART_BYTES
from app.storage.object_store import ObjectStore
from app.storage.timeouts import ObjectMissing

pytestmark = pytest.mark.integration


async def one_piece(body: bytes) -> AsyncIterator[bytes]:
    yield body


async def test_parts_of_every_size_are_stored_whole(object_store: ObjectStore) -> None:
    for size in (0, 1, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 2 * PART_BYTES):
        body = os.urandom(size)
        await object_store.put("originals/x", one_piece(body), "image/png")
        assert await object_store.size_of("originals/x") == size
        async with object_store.open("originals/x") as opened:
            assert b"".join([chunk async for chunk in opened.chunks]) == body


async def test_an_aborted_body_leaves_no_parts(empty_bucket: ObjectStore) -> None:
    async def breaking() -> AsyncIterator[bytes]:
        yield bytes(2 * PART_BYTES)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await empty_bucket.put("originals/y", breaking(), "image/png")
    assert not await empty_bucket.list_uploads()


async def test_a_slow_reader_holds_no_connection(object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "KEPT_SECONDS", 0.01)
    body = os.urandom(2 * PART_BYTES)
    await object_store.put("originals/x", one_piece(body), "image/png")
    for start, length in ((0, None), (7, PART_BYTES)):
        async with object_store.open("originals/x", start, length) as opened:
            read = bytearray(await anext(opened.chunks))
            await until_let_go(object_store)
            async for chunk in opened.chunks:
                read += chunk
        assert read == body[start : start + length if length else None]


async def test_an_object_deleted_during_a_slow_read_raises(
    object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "KEPT_SECONDS", 0.01)
    await object_store.put("originals/x", one_piece(bytes(2 * PART_BYTES)), "image/png")
    async with object_store.open("originals/x") as opened:
        await anext(opened.chunks)
        await until_let_go(object_store)
        await object_store.remove(["originals/x"])
        with pytest.raises(ObjectMissing):
            await anext(opened.chunks)


async def until_let_go(object_store: ObjectStore) -> None:
    connector = object_store._reading_session.connector
    assert connector is not None
    async with asyncio.timeout(30):
        while connector._acquired:
            await asyncio.sleep(0.01)
