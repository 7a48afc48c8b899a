"""Servers whose disk is full, for real: nothing is a 500, `/readyz` reports it, and everything recovers by itself."""

import asyncio
import json
import os
import shutil
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import httpx
import pytest

from app.core.settings import Settings
from app.db.schema.schema_upgrade import upgrade
from app.storage.object_store import WRITE_CHECK_SECONDS
from tests.images.files import noise_png
from tests.support.paths import ROOT
from tests.support.server import running_service

RECOVERY_SECONDS = 60
PASSWORD = "nine lives on the sofa"


@dataclass
class FullDisk:
    """Servers on a disk of their own; `order` fills or frees it."""

    addresses: dict[str, str]
    process: asyncio.subprocess.Process

    async def order(self, command: str) -> None:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{command}\n".encode())
        assert await self.process.stdout.readline() == b"done\n"


@pytest.fixture
async def disk(tmp_path: Path) -> AsyncIterator[FullDisk]:
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("a disk of a test's own takes root and unshare")
    process = await asyncio.create_subprocess_exec(
        *("unshare", "--mount", sys.executable, "-m", "tests.faults.full_disk", str(tmp_path)),
        stdin=-1,
        stdout=-1,
        cwd=ROOT,
    )
    assert process.stdin
    assert process.stdout
    line = await process.stdout.readline()
    if not line:
        pytest.skip("no disk can be mounted here")
    yield FullDisk(json.loads(line), process)
    process.stdin.close()
    await process.wait()


async def readiness(client: httpx.AsyncClient) -> dict[str, str]:
    """Return the overall status and that of each backend."""
    body = (await client.get("/readyz")).json()
    return {"overall": body["status"], **{name: one["status"] for name, one in body["dependencies"].items()}}


async def test_f84_a_full_disk_is_read_only_and_recovers(
    disk: FullDisk, make_settings: Callable[..., Settings], tmp_path_factory: pytest.TempPathFactory
) -> None:
    own = {name.lower(): value for name, value in disk.addresses.items()}
    settings = make_settings(**own, telemetry_spill_dir=tmp_path_factory.mktemp("wal"), decoder_processes=1)
    await asyncio.to_thread(upgrade, settings.sqlalchemy_direct_url)
    async with running_service(settings) as service, httpx.AsyncClient(base_url=service.url, timeout=30) as client:
        account = {"email": "a@example.com", "password": PASSWORD}
        assert (await client.post("/v1/users", json=account)).status_code == 201
        form = {"grant_type": "password", "username": "a@example.com", "password": PASSWORD}
        token = (await client.post("/v1/auth/token", data=form)).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"

        async def upload() -> httpx.Response:
            files = {"image": (f"{uuid.uuid4()}.png", noise_png(200_000))}
            return await client.post("/v1/images", files=files, data={"tags": "cat"})

        assert (await upload()).status_code == 201
        assert set((await readiness(client)).values()) == {"ok", "up"}
        await disk.order("fill")
        uploads = [await upload() for _ in range(3)]
        assert {response.status_code for response in uploads} == {503}
        reads = [await client.get(path) for path in ("/v1/images", "/v1/images?q=cat", "/v1/tags", "/v1/users/me")]
        assert all(response.status_code in (200, 503) for response in reads)
        assert reads[0].status_code == 200
        expected = {"overall": "degraded", "postgres": "read-only", "object_store": "read-only"}
        async with asyncio.timeout(2 * WRITE_CHECK_SECONDS):
            while not expected.items() <= (await readiness(client)).items():
                await asyncio.sleep(0.5)
        await disk.order("free")
        async with asyncio.timeout(RECOVERY_SECONDS):
            while set((await readiness(client)).values()) != {"ok", "up"}:
                await asyncio.sleep(0.2)
            while (await upload()).status_code != 201:
                await asyncio.sleep(0.2)


async def test_f83_any_error_while_connecting_is_503(
    make_settings: Callable[..., Settings],
    fresh_database_url: Callable[[], Awaitable[str]],
    backends: dict[str, str],
    tmp_path: Path,
) -> None:
    """A server refuses connections with many codes: here with 55000, with a full disk with XX000."""
    url = await fresh_database_url()
    settings = make_settings(database_url=url, telemetry_spill_dir=tmp_path)
    await asyncio.to_thread(upgrade, settings.sqlalchemy_direct_url)
    name = url.rpartition("/")[2]
    root = await asyncpg.connect(backends["DATABASE_URL"])
    async with running_service(settings) as service, httpx.AsyncClient(base_url=service.url, timeout=30) as client:
        assert (await client.get("/v1/images")).status_code == 200
        await root.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        await root.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
        responses = [await client.get(f"/v1/images?limit={number}") for number in range(1, 12)]
        responses += [await client.get("/v1/tags/cat"), await client.get(f"/v1/images/{uuid.uuid4()}")]
        assert {response.status_code for response in responses} == {503}
        assert (await client.get("/readyz")).json()["dependencies"]["postgres"]["status"] == "down"
        await root.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
        async with asyncio.timeout(RECOVERY_SECONDS):
            while (await client.get("/v1/images?limit=50")).status_code != 200:
                await asyncio.sleep(0.1)
    await root.close()
