import asyncio
import os
import sys

import asyncpg
import psutil
import pytest

from app.media.decoder_pool import MEMORY_BYTES
from app.storage.object_store import ObjectStore
from tests.images.hostile import NAMES, cases
from tests.support.accounts import Account
from tests.support.photos import png
from tests.support.processes import decoders
from tests.support.raw_http import bearer, file_part, raw_connection
from tests.support.server import RunningService

pytestmark = pytest.mark.integration


async def test_no_file_causes_a_500(user: Account, sql: asyncpg.Connection, object_store: ObjectStore) -> None:
    await object_store.remove([one.key async for one in object_store.list_objects()])
    pending = await object_store.list_uploads()
    wrong: list[tuple[object, ...]] = []
    stored = 0
    hostile = cases()
    assert len(hostile) >= 60
    for number, (case, body, expected) in enumerate(hostile):
        before = {process.pid: process.cpu_times() for process in decoders(psutil.Process())}
        response = await user.client.post("/v1/images", files={"image": (f"{number}", body)}, timeout=60)
        if response.status_code != expected:
            wrong.append((case, response.status_code, response.text[:200]))
        for process in decoders(psutil.Process()):
            now, then = process.cpu_times(), before.get(process.pid)
            spent = now.user + now.system - (then.user + then.system if then else 0)
            if spent > 2.1 or process.memory_info().vms > MEMORY_BYTES:
                wrong.append((case, spent, process.memory_info().vms))
        stored += response.status_code == 201
    assert wrong == []
    assert len([one async for one in object_store.list_objects()]) == stored
    assert await sql.fetchval("SELECT count(*) FROM images") == stored
    assert await sql.fetchval("SELECT count(*) FROM orphaned_objects") == 0
    assert await object_store.list_uploads() == pending


async def test_no_name_causes_a_500(service: RunningService, user: Account) -> None:
    assert len(NAMES) >= 50
    wrong = []
    for name, expected in NAMES:
        async with raw_connection(service.url) as connection:
            escaped = name.replace("\\", "\\\\").replace('"', '\\"')
            body = file_part(escaped) + png() + b"\r\n--b--\r\n"
            await connection.begin("POST", "/v1/images", bearer(user, Content_Length=str(len(body))))
            await connection.send(body)
            response = await connection.read_response()
        if response.status != expected:
            wrong.append((name, response.status, response.body[:200]))
    assert wrong == []


async def test_the_pool_survives_killed_decoders(user: Account) -> None:
    uploads = (user.client.post("/v1/images", files={"image": (f"{name}.png", png())}) for name in "abc")
    assert {response.status_code for response in await asyncio.gather(*uploads)} == {201}
    for number in range(4):
        for process in decoders(psutil.Process()):
            os.kill(process.pid, 9)
        response = await user.client.post("/v1/images", files={"image": (f"{number}.png", png())})
        assert response.status_code == 201, response.text


async def test_a_decoder_that_cannot_be_started_is_503(user: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """As without a free process or file descriptor."""
    for process in decoders(psutil.Process()):
        os.kill(process.pid, 9)
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    response = await user.client.post("/v1/images", files={"image": ("a.png", png())})
    assert (response.status_code, response.json()["type"]) == (503, "/problems/decoders-unavailable")
    monkeypatch.undo()
    assert (await user.client.post("/v1/images", files={"image": ("a.png", png())})).status_code == 201
