"""`export` and `restore`, killed at random points and run again."""

import asyncio
import random
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest

from app.core.settings import Settings
from app.db.database import Database
from app.images.maintenance.consistency_check import ConsistencyCheck
from app.images.maintenance.orphan_sweeper import OrphanSweeper
from app.storage.object_store import ObjectStore
from tests.support.accounts import Account
from tests.support.archives import digests_of, files_of
from tests.support.commands import run_command
from tests.support.environment import environment
from tests.support.paths import ROOT
from tests.support.photos import png
from tests.support.server_fixtures import empty_tables

IMAGES = 12
ROWS = """SELECT i.id, i.name, i.created_at, i.uploaded_by, i.sha256, i.tag_count, t.name AS tag, g.is_explicit
    FROM images i LEFT JOIN tagged g ON g.image = i.id LEFT JOIN tags t ON t.id = g.tag ORDER BY i.id, t.name"""


async def run_and_kill(settings: Settings, command: str, archive: Path, count: Callable[[], Awaitable[int]]) -> None:
    """Run a command in a process of its own, and kill it after a random number of images."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app", command, str(archive), "--jobs", "3"),
        cwd=ROOT,
        env=environment(settings),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    last = await count() + random.randint(0, IMAGES // 3)
    while process.returncode is None and await count() <= last:
        await asyncio.sleep(0.002)
    if process.returncode is None:
        process.kill()
    await process.wait()


@pytest.mark.parametrize("kills", [1, pytest.param(20, marks=[pytest.mark.slow, pytest.mark.timeout(900)])])
async def test_a_killed_export_and_a_killed_restore_continue(
    settings: Settings,
    user: Account,
    sql: asyncpg.Connection,
    database: Database,
    empty_bucket: ObjectStore,
    tmp_path: Path,
    kills: int,
) -> None:
    for number in range(IMAGES):
        fields = {"tags": f"all,n {number % 3}"}
        await user.client.post("/v1/images", files={"image": (f"{number}.png", png())}, data=fields)
    rows = await sql.fetch(ROWS)
    archive = tmp_path / "archive"

    async def exported() -> int:
        return sum(1 for _ in archive.glob("images/*/*.json"))

    async def restored() -> int:
        return int(await sql.fetchval("SELECT count(*) FROM images"))

    for _ in range(kills - 1):
        await run_and_kill(settings, "export", archive, exported)
    finished = await run_command(settings, "export", archive)
    assert (finished.code, f"{IMAGES} images" in finished.output) == (0, True), finished.output
    assert digests_of(archive).items() <= files_of(archive).items()
    assert len(files_of(archive)) == 2 * IMAGES + 5

    await empty_tables(sql)
    await empty_bucket.remove([one.key async for one in empty_bucket.list_objects()])
    for _ in range(kills):
        await run_and_kill(settings, "restore", archive, restored)
    finished = await run_command(settings, "restore", archive)
    assert (finished.code, "0 in conflict, 0 refused" in finished.output) == (0, True), finished.output
    assert await sql.fetch(ROWS) == rows
    at_once = settings.model_copy(update={"orphan_grace_seconds": 0})
    await OrphanSweeper(database, empty_bucket, at_once).sweep()
    report = await ConsistencyCheck(database, empty_bucket, at_once).run(dry_run=True, digests=True)
    assert (report.damaged, report.orphans, report.stale_uploads) == ([], [], [])
    assert report.objects == report.images == IMAGES
