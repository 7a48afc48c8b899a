"""Requests in progress when the service receives SIGTERM."""

import asyncio
import contextlib
from pathlib import Path

import asyncpg
import httpx
import psutil
import pytest

from app.core.settings import Settings
from app.db.database import Database
from app.images.maintenance.consistency_check import ConsistencyCheck
from app.images.maintenance.orphan_sweeper import OrphanSweeper
from app.storage.chunks import PART_BYTES
from app.storage.object_store import ObjectStore
from tests.images.files import noise_png
from tests.support.accounts import Account
from tests.support.processes import service_process
from tests.support.raw_http import RawConnection, bearer, file_part, raw_connection
from tests.telemetry.records import request_ids

# On a busy machine a process takes many seconds to start.
pytestmark = pytest.mark.timeout(300)

END = b"\r\n--b--\r\n"
# A part and a little more.
SENT = PART_BYTES + 1000


async def begin_upload(connection: RawConnection, user: Account, sql: asyncpg.Connection, body: bytes) -> None:
    """Send the head and the first part of an upload. Returns once the upload to the store has begun."""
    await connection.begin("POST", "/v1/images", bearer(user, Content_Length=str(len(body)), X_Request_ID="the-upload"))
    await connection.send(body[:SENT])
    async with asyncio.timeout(60):
        while not await sql.fetchval("SELECT count(*) FROM orphaned_objects"):
            await asyncio.sleep(0.02)


async def until_refused(url: str) -> None:
    """Wait until the service refuses connections."""
    async with asyncio.timeout(60):
        with contextlib.suppress(OSError):
            while True:
                async with raw_connection(url):
                    await asyncio.sleep(0.02)


async def exit_code(process: psutil.Popen) -> int:
    return int(await asyncio.to_thread(process.wait, 60))


def changed(settings: Settings, **values: object) -> Settings:
    return Settings.model_validate({**settings.model_dump(exclude_unset=True), **values})


async def test_an_upload_in_progress_gets_201_and_is_in_the_request_log(
    settings: Settings,
    user: Account,
    sql: asyncpg.Connection,
    client: httpx.AsyncClient,
    mongo_url: str,
    tmp_path: Path,
) -> None:
    own = changed(settings, mongo_url=mongo_url, telemetry_spill_dir=tmp_path, telemetry_flush_seconds=3600)
    picture = noise_png(SENT + 1000)
    body = file_part("in-flight.png") + picture + END
    with service_process(own, "--drain-seconds", "60") as process:
        await until_connected_to_mongo(process.url)
        async with raw_connection(process.url) as connection:
            await begin_upload(connection, user, sql, body)
            process.process.terminate()
            await until_refused(process.url)
            await connection.send(body[SENT:])
            response = await connection.read_response()
        assert response.status == 201, response.body
        assert response.headers["connection"] == "close"
        assert await exit_code(process.process) == 0
    assert (await client.get(response.json()["links"]["content"])).content == picture
    assert "the-upload" in request_ids(mongo_url)


async def test_hanging_clients_do_not_delay_the_end_and_leave_nothing_behind(
    settings: Settings,
    user: Account,
    sql: asyncpg.Connection,
    database: Database,
    empty_bucket: ObjectStore,
    client: httpx.AsyncClient,
) -> None:
    stored = await user.client.post("/v1/images", files={"image": ("big.png", noise_png(20_000_000))}, timeout=60)
    content = stored.json()["links"]["content"]
    body = file_part("never.png") + noise_png(2 * SENT)
    with service_process(settings, "--drain-seconds", "9") as process:
        async with (
            raw_connection(process.url) as silent,
            raw_connection(process.url) as deaf,
            raw_connection(process.url) as trickling,
        ):
            await silent.send(b"GET /v1/images HTTP/1.1\r\nHost:")
            await deaf.begin("GET", content, {})
            assert await deaf.reader.readexactly(12) == b"HTTP/1.1 200"
            await begin_upload(trickling, user, sql, body)
            process.process.terminate()
            trickle = asyncio.create_task(send_slowly(trickling, body[SENT:]))
            assert await exit_code(process.process) == 0
            await trickle
    # Objects that a busy store did not delete in time are removed by the next sweep.
    at_once = settings.model_copy(update={"orphan_grace_seconds": 0})
    await OrphanSweeper(database, empty_bucket, at_once).sweep()
    await ConsistencyCheck(database, empty_bucket, at_once).run(dry_run=False, digests=False)
    assert await empty_bucket.list_uploads() == []
    assert await sql.fetchval("SELECT array_agg(name) FROM images") == ["big.png"]
    assert await sql.fetchval("SELECT count(*) FROM orphaned_objects") == 0
    assert (await client.get(content)).status_code == 200


async def test_readiness_fails_before_listening_stops(settings: Settings) -> None:
    with service_process(changed(settings, drain_delay_seconds=50), "--drain-seconds", "60") as process:
        async with raw_connection(process.url) as kept, httpx.AsyncClient(base_url=process.url) as client:
            await kept.begin("GET", "/healthz", {})
            assert "connection" not in (await kept.read_response()).headers
            process.process.terminate()
            async with asyncio.timeout(60):
                while (response := await client.get("/readyz")).status_code == 200:
                    await asyncio.sleep(0.02)
            assert (response.status_code, response.json()["status"]) == (503, "draining")
            # An existing connection and a new one are both served, once.
            await kept.begin("GET", "/v1/images", {})
            last = await kept.read_response()
            assert (last.status, last.headers["connection"]) == (200, "close")
            assert await kept.reader.read() == b""
            response = await client.get("/v1/images")
            assert (response.status_code, response.headers["connection"]) == (200, "close")


async def until_connected_to_mongo(url: str) -> None:
    async with httpx.AsyncClient(base_url=url) as client, asyncio.timeout(60):
        while "imts_telemetry_connected_workers 1.0\n" not in (await client.get("/metrics")).text:
            await asyncio.sleep(0.05)


async def send_slowly(connection: RawConnection, body: bytes) -> None:
    """Send one byte at a time until the service closes the connection."""
    with contextlib.suppress(OSError):
        for index in range(len(body)):
            await connection.send(body[index : index + 1])
            await asyncio.sleep(0.02)
