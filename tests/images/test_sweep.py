import asyncio
import json
import sys
import uuid

import asyncpg
import pytest

from app.core.concurrency import SingleFlight
from app.core.settings import Settings
from app.db.database import Database
from app.images.content.renditions import Renditions, RenditionSource
from app.images.maintenance.consistency_check import ConsistencyCheck
from app.images.maintenance.orphan_cleanup import remove_orphans
from app.images.maintenance.orphan_sweeper import OrphanSweeper
from app.storage.object_store import ObjectStore
from tests.support.accounts import Account
from tests.support.environment import environment
from tests.support.photos import png

pytestmark = pytest.mark.integration

GRACE = 1


@pytest.fixture
def swift(settings: Settings) -> Settings:
    return settings.model_copy(update={"orphan_grace_seconds": GRACE})


async def keys(object_store: ObjectStore) -> set[str]:
    return {one.key async for one in object_store.list_objects()}


@pytest.fixture(autouse=True)
async def _empty_bucket(empty_bucket: ObjectStore) -> None:
    """Start each test without objects of earlier ones."""


async def test_the_sweeper_deletes_orphans_after_the_grace_period(
    swift: Settings, database: Database, object_store: ObjectStore, sql: asyncpg.Connection
) -> None:
    for key in ("originals/old", "originals/young"):
        await object_store.put_whole(key, [b"x"], "image/png")
    await sql.execute(
        "INSERT INTO orphaned_objects VALUES ('originals/old', now() - interval '1 hour'), ('originals/young', now())"
    )
    sweepers = [OrphanSweeper(database, object_store, swift) for _ in range(3)]
    assert sum(await asyncio.gather(*(sweeper.sweep() for sweeper in sweepers))) == 1
    assert await keys(object_store) == {"originals/young"}
    assert await sql.fetchval("SELECT storage_key FROM orphaned_objects") == "originals/young"


async def test_an_object_that_cannot_be_removed_delays_no_other(
    settings: Settings, database: Database, object_store: ObjectStore, sql: asyncpg.Connection
) -> None:
    refused = "originals/../../x"
    for key in ("originals/a", "originals/b"):
        await object_store.put_whole(key, [b"x"], "image/png")
    await sql.executemany(
        "INSERT INTO orphaned_objects VALUES ($1, now() - interval '1 day')",
        [("originals/a",), (refused,), ("originals/b",)],
    )
    sweeper = OrphanSweeper(database, object_store, settings)
    assert await sweeper.sweep() == 2
    assert await keys(object_store) == set()
    waiting = await sql.fetch(
        "SELECT storage_key, orphaned_at > now() - interval '1 hour' AS young FROM orphaned_objects"
    )
    assert [tuple(one) for one in waiting] == [(refused, True)]
    await remove_orphans(database, object_store, [refused])
    assert await sql.fetchval("SELECT count(*) FROM orphaned_objects") == 1


async def test_no_orphan_is_lost_while_the_store_is_down(
    swift: Settings, database: Database, sql: asyncpg.Connection
) -> None:
    await sql.execute("INSERT INTO orphaned_objects VALUES ('originals/old', now() - interval '1 hour')")
    store = ObjectStore(swift.model_copy(update={"storage_endpoint": "127.0.0.1:1"}))
    with pytest.raises(Exception, match="object store"):
        await OrphanSweeper(database, store, swift).sweep()
    await store.close()
    assert await sql.fetchval("SELECT count(*) FROM orphaned_objects") == 1


async def test_the_audit_finds_all_that_differs(
    settings: Settings,
    swift: Settings,
    database: Database,
    object_store: ObjectStore,
    sql: asyncpg.Connection,
    user: Account,
) -> None:
    for name in ("whole", "missing", "short", "changed"):
        response = await user.client.post("/v1/images", files={"image": (name, png())})
        assert response.status_code == 201
        await user.client.get(response.json()["links"]["thumbnail"])
    rows = {row["name"]: (row["storage_key"], row["size"]) for row in await sql.fetch("SELECT * FROM images")}
    await object_store.remove([rows["missing"][0]])
    await object_store.put_whole(rows["short"][0], [b"x"], "image/png")
    await object_store.put_whole(rows["changed"][0], [b"x" * rows["changed"][1]], "image/png")
    await object_store.put_whole("originals/orphan", [b"x"], "image/png")
    await object_store.put_whole("others/own", [b"x"], "image/png")
    client = object_store._client
    await client._create_multipart_upload(object_store.bucket, "originals/left", {"Content-Type": "image/png"})
    await asyncio.sleep(GRACE + 1.1)  # the store's times are whole seconds

    patient = await ConsistencyCheck(database, object_store, settings).run(dry_run=False, digests=False)
    assert (patient.orphans, patient.stale_uploads) == ([], [])
    audit = ConsistencyCheck(database, object_store, swift)
    found = await audit.run(dry_run=True, digests=True)
    assert {one.storage_key for one in found.damaged} == {rows[name][0] for name in ("missing", "short", "changed")}
    assert (found.orphans, found.stale_uploads) == (["originals/orphan"], ["originals/left"])
    assert await sql.fetchval("SELECT count(*) FROM orphaned_objects") == 0
    await audit.run(dry_run=False, digests=False)
    await OrphanSweeper(database, object_store, swift).sweep()
    left = await keys(object_store)
    assert "originals/orphan" not in left
    assert {"others/own", rows["whole"][0]} <= left
    assert not await object_store.list_uploads()
    assert not (await audit.run(dry_run=True, digests=True)).orphans


async def test_the_command_reports_in_json(
    swift: Settings, object_store: ObjectStore, sql: asyncpg.Connection, user: Account
) -> None:
    await user.client.post("/v1/images", files={"image": ("a.png", png())})

    async def run(*options: str) -> tuple[int, dict[str, object]]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "app", "sweep", *options, env=environment(swift), stdout=-1, stderr=-1
        )
        out, err = await process.communicate()
        assert out, err
        return process.returncode or 0, json.loads(out)

    code, report = await run("--dry-run")
    assert (code, report["images"], report["clean"], report["dry_run"]) == (0, 1, True, True)
    await object_store.remove([await sql.fetchval("SELECT storage_key FROM images")])
    code, report = await run()
    assert (code, report["clean"]) == (1, False)


async def test_a_cancelled_rendition_releases_its_lease(
    database: Database, object_store: ObjectStore, sql: asyncpg.Connection
) -> None:
    flights = SingleFlight[None]()
    renditions = Renditions(database, object_store, flights)
    original = RenditionSource(uuid.uuid4(), "originals/a", "image/png", 100)
    made = asyncio.Event()

    async def make() -> None:
        made.set()
        await asyncio.Event().wait()

    waiting = asyncio.create_task(renditions.ensure(original, "thumbnails/a", make))
    await made.wait()
    assert await sql.fetchval("SELECT count(*) FROM orphaned_objects") == 1
    await flights.close()
    assert await sql.fetchval("SELECT count(*) FROM orphaned_objects") == 0
    with pytest.raises(asyncio.CancelledError):
        await waiting
