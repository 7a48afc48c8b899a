"""Renditions: one request makes each, and the others wait for it within a limit."""

import asyncio
from datetime import timedelta

import asyncpg
import pytest

from app.core.concurrency import SingleFlight
from app.db.database import Database
from app.images.content import renditions
from app.images.content.renditions import Renditions, RenditionSource
from app.images.storage_keys import thumbnail_key
from app.storage.object_store import ObjectStore
from tests.support.accounts import Account
from tests.support.photos import png

pytestmark = pytest.mark.integration


async def test_the_lease_of_a_killed_process_expires(
    user: Account, sql: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renditions, "STALE", timedelta(seconds=0.5))
    links = (await user.client.post("/v1/images", files={"image": ("a.png", png())})).json()["links"]
    key = thumbnail_key(await sql.fetchval("SELECT storage_key FROM images"), 320)
    await sql.execute("INSERT INTO orphaned_objects (storage_key) VALUES ($1)", key)
    assert (await user.client.get(links["thumbnail"], timeout=40)).status_code == 200
    assert not await sql.fetchval("SELECT count(*) FROM orphaned_objects")


async def test_the_lease_of_a_rendition_is_renewed_while_it_is_made(
    user: Account,
    database: Database,
    object_store: ObjectStore,
    sql: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(renditions, "RENEW_SECONDS", 0.01)
    made = (await user.client.post("/v1/images", files={"image": ("a.png", png())})).json()
    storage_key = await sql.fetchval("SELECT storage_key FROM images")
    original = RenditionSource(made["id"], storage_key, "image/png", made["size"])
    key = thumbnail_key(storage_key, 320)
    is_done = asyncio.Event()

    async def make() -> None:
        await is_done.wait()
        await object_store.put_whole(key, [b"x"], "image/webp")

    maker = Renditions(database, object_store, SingleFlight[None]())
    making = asyncio.create_task(maker.ensure(original, key, make))
    times: set[object] = set()
    async with asyncio.timeout(30):
        while len(times) < 3:
            times |= {await sql.fetchval("SELECT orphaned_at FROM orphaned_objects")} - {None}
    is_done.set()
    await making
    # The renewal ended with the hold, and lists no object that an image owns.
    await asyncio.sleep(0.05)
    assert not await sql.fetchval("SELECT count(*) FROM orphaned_objects")
