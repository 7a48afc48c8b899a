"""The import of files that are sent by resumable uploads."""

import asyncio
import hashlib
import os
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import asyncpg
import httpx
import pytest
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.cli.importing.import_client import ImportClient, UploadOptions
from app.cli.importing.import_files import Candidate
from app.core.settings import Settings
from app.db.database import Database
from app.main import create_app
from tests.cli.test_import import run, start
from tests.images.files import noise_png
from tests.support.accounts import Account, add_api_key
from tests.support.photos import image_bytes
from tests.support.processes import service_process
from tests.support.server import RunningService, serving
from tests.support.tcp_proxy import FaultProxy, fault_proxy

MakeAccount: TypeAlias = Callable[..., Awaitable[Account]]
Respond: TypeAlias = Callable[[str, str], Response | None]
MB = 1_000_000


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


async def stored(user: Account) -> dict[str, tuple[str, str, list[str]]]:
    """Return digest, visibility and tags of each stored image by its name."""
    items = (await user.client.get("/v1/images?limit=100")).json()["items"]
    return {one["name"]: (one["sha256"], one["visibility"], one["tags"]) for one in items}


async def sent(proxy: FaultProxy, count: int) -> None:
    """Wait until clients have sent this number of bytes."""
    async with asyncio.timeout(60):
        while proxy.sent < count:
            await asyncio.sleep(0.005)


class Interceptor:
    """Responds to some requests instead of an application."""

    def __init__(self, app: ASGIApp, respond: Respond) -> None:
        self._app = app
        self._respond = respond

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = self._respond(scope["method"], scope["path"]) if scope["type"] == "http" else None
        await (response or self._app)(scope, receive, send)


async def test_a_file_is_stored_after_several_broken_connections(
    settings: Settings, service: RunningService, database: Database, user: Account, tmp_path: Path
) -> None:
    key = await add_api_key(database, user, "read", "write")
    body = noise_png(20 * MB)
    (tmp_path / "Cats").mkdir()
    (tmp_path / "Cats" / "large.png").write_bytes(body)
    async with fault_proxy(service.url.removeprefix("http://")) as proxy:
        proxy.set(bytes_per_second=20 * MB)
        options = ("--token", key, "--tag", "one", "--tag", "two", "--private")
        importing = asyncio.create_task(run(settings, f"http://{proxy.address}", tmp_path, *options))
        for count in (3 * MB, 9 * MB, 14 * MB):
            await sent(proxy, count)
            proxy.cut()
        code, out = await importing
    assert (code, "1 uploaded, 0 skipped, 0 failed." in out) == (0, True), out
    assert await stored(user) == {"large.png": (digest(body), "private", ["cats", "one", "two"])}
    assert proxy.sent < 2 * len(body)


async def test_a_killed_command_continues_when_it_is_run_again(
    settings: Settings, service: RunningService, user: Account, sql: asyncpg.Connection, tmp_path: Path
) -> None:
    body = noise_png(20 * MB)
    (tmp_path / "large.png").write_bytes(body)
    async with fault_proxy(service.url.removeprefix("http://")) as proxy:
        proxy.set(bytes_per_second=10 * MB)
        url = f"http://{proxy.address}"
        process = await start(settings, url, tmp_path, "--token", user.access_token)
        await sent(proxy, 12 * MB)
        process.kill()
        await process.communicate()
        async with asyncio.timeout(30):
            while not await sql.fetchval("SELECT received_bytes FROM uploads WHERE writer IS NULL"):
                await asyncio.sleep(0.05)
        offset = await sql.fetchval("SELECT received_bytes FROM uploads")
        proxy.set()
        code, out = await run(settings, url, tmp_path, "--token", user.access_token)
        assert (code, "1 uploaded, 0 skipped, 0 failed." in out) == (0, True), out
        assert offset > 5 * MB
        assert len(body) - offset <= proxy.sent < len(body) - offset + 100_000
    assert (await stored(user))["large.png"][0] == digest(body)
    assert await sql.fetchval("SELECT count(*) FROM uploads") == 1


async def test_an_upload_with_other_options_is_not_continued(
    settings: Settings, service: RunningService, user: Account, sql: asyncpg.Connection, tmp_path: Path
) -> None:
    (tmp_path / "large.png").write_bytes(noise_png(9 * MB))
    async with fault_proxy(service.url.removeprefix("http://")) as proxy:
        proxy.set(bytes_per_second=5 * MB)
        process = await start(settings, f"http://{proxy.address}", tmp_path, "--token", user.access_token)
        await sent(proxy, 2 * MB)
        process.kill()
        await process.communicate()
    code, out = await run(settings, service.url, tmp_path, "--token", user.access_token, "--private")
    assert (code, "1 uploaded, 0 skipped, 0 failed." in out) == (0, True), out
    assert (await stored(user))["large.png"][1] == "private"
    assert await sql.fetchval("SELECT count(*) FROM uploads") == 2


async def test_a_file_continues_after_the_server_was_killed(
    settings: Settings, service: RunningService, user: Account, tmp_path: Path
) -> None:
    body = noise_png(20 * MB)
    (tmp_path / "large.png").write_bytes(body)
    async with fault_proxy(service.url.removeprefix("http://")) as proxy:
        with service_process(settings) as first:
            port = int(first.url.rpartition(":")[2])
            proxy.target = ("127.0.0.1", port)
            proxy.set(bytes_per_second=10 * MB)
            options = ("--token", user.access_token)
            importing = asyncio.create_task(run(settings, f"http://{proxy.address}", tmp_path, *options))
            await sent(proxy, 12 * MB)
        proxy.target = ("127.0.0.1", int(service.url.rpartition(":")[2]))
        code, out = await importing
    assert (code, "1 uploaded, 0 skipped, 0 failed." in out) == (0, True), out
    assert (await stored(user))["large.png"][0] == digest(body)
    assert proxy.sent < 2 * len(body)


async def test_an_upload_that_the_server_lost_starts_again_once(
    settings: Settings, service: RunningService, user: Account, tmp_path: Path
) -> None:
    body = noise_png(9 * MB)
    (tmp_path / "large.png").write_bytes(body)
    options = ("--token", user.access_token)
    async with fault_proxy(service.url.removeprefix("http://")) as proxy:
        for losses, expected in ((1, 0), (2, 1)):
            proxy.set(bytes_per_second=5 * MB)
            importing = asyncio.create_task(run(settings, f"http://{proxy.address}", tmp_path, *options))
            for loss in range(losses):
                await sent(proxy, proxy.sent + 2 * MB if loss else 2 * MB)
                (upload,) = (await user.client.get("/v1/uploads")).json()["items"]
                path = f"/v1/uploads/{upload['id']}"
                assert (await user.client.delete(path, headers={"Tus-Resumable": "1.0.0"})).status_code == 204
                proxy.cut()
            code, out = await importing
            assert code == expected, out
            for image in (await user.client.get("/v1/images")).json()["items"]:
                assert image["sha256"] == digest(body)
                await user.client.delete(image["links"]["self"])


async def test_busy_responses_are_repeated(settings: Settings, user: Account, tmp_path: Path) -> None:
    body = noise_png(9 * MB)
    (tmp_path / "large.png").write_bytes(body)
    busy = {"GET": 429, "POST": 503, "HEAD": 502, "PATCH": 503}

    def respond(method: str, path: str) -> Response | None:
        if path.startswith("/v1/uploads") and (status := busy.pop(method, None)):
            return Response(status_code=status, headers={"Retry-After": "0"})
        return None

    async with serving(Interceptor(create_app(settings), respond)) as url:
        code, out = await run(settings, url, tmp_path, "--token", user.access_token)
    assert (code, busy) == (0, {}), out
    assert (await stored(user))["large.png"][0] == digest(body)


@pytest.mark.parametrize("status", [404, 405])
async def test_a_server_without_resumable_uploads_gets_a_form(
    settings: Settings, user: Account, sql: asyncpg.Connection, tmp_path: Path, status: int
) -> None:
    body = noise_png(9 * MB)
    (tmp_path / "large.png").write_bytes(body)

    def respond(_method: str, path: str) -> Response | None:
        return Response(status_code=status) if path.startswith("/v1/uploads") else None

    async with serving(Interceptor(create_app(settings), respond)) as url:
        code, out = await run(settings, url, tmp_path, "--token", user.access_token, "--tag", "cat")
    assert (code, "1 uploaded, 0 skipped, 0 failed." in out) == (0, True), out
    assert await stored(user) == {"large.png": (digest(body), "public", ["cat"])}
    assert await sql.fetchval("SELECT count(*) FROM uploads") == 0


async def test_clashes_of_large_files_fail_are_renamed_or_skipped(
    settings: Settings, service: RunningService, user: Account, make_account: MakeAccount, tmp_path: Path
) -> None:
    await (await make_account()).client.post("/v1/images", files={"image": ("large.png", image_bytes("JPEG"))})
    (tmp_path / "large.png").write_bytes(noise_png(9 * MB))
    token = ("--token", user.access_token)
    async with fault_proxy(service.url.removeprefix("http://")) as proxy:
        url = f"http://{proxy.address}"
        code, out = await run(settings, url, tmp_path, *token)
        assert (code, "0 uploaded, 0 skipped, 1 failed." in out) == (1, True), out
        code, out = await run(settings, url, tmp_path, *token, "--on-clash", "skip")
        assert (code, "1, the name is in use" in out) == (0, True), out
        assert proxy.sent < MB
        code, out = await run(settings, url, tmp_path, *token, "--on-clash", "rename")
        assert (code, "stored as large (2).png" in out) == (0, True), out


async def test_large_files_of_one_name_and_length_are_all_stored(
    settings: Settings, service: RunningService, user: Account, tmp_path: Path
) -> None:
    digests = set()
    for folder in ("a", "b", "c", "d"):
        (tmp_path / folder).mkdir()
        body = noise_png(9 * MB)
        (tmp_path / folder / "large.png").write_bytes(body)
        digests.add(digest(body))
    options = ("--token", user.access_token, "--on-clash", "rename")
    code, out = await run(settings, service.url, tmp_path, *options)
    assert (code, "4 uploaded, 0 skipped, 0 failed." in out) == (0, True), out
    assert {sha256 for sha256, _, _ in (await stored(user)).values()} == digests


async def test_large_files_that_the_server_refuses_have_a_reason(
    settings: Settings, service: RunningService, user: Account, admin: Account, tmp_path: Path
) -> None:
    whole = noise_png(9 * MB)
    (tmp_path / "damaged.png").write_bytes(whole[:1000] + os.urandom(9 * MB))
    # The server refuses the width before it has the whole file.
    (tmp_path / "wide.png").write_bytes(whole[:16] + (2**30).to_bytes(4, "big") + whole[20:])
    token = ("--token", user.access_token)
    code, out = await run(settings, service.url, tmp_path, *token)
    assert (code, "0 uploaded, 0 skipped, 2 failed." in out) == (1, True), out
    reasons = dict(re.findall(r"failed: .*/(\w+)\.png: (.*)", out))
    assert reasons.keys() == {"damaged", "wide"}
    assert not any("status" in reason for reason in reasons.values()), reasons
    for path in tmp_path.iterdir():
        path.unlink()
    (tmp_path / "large.png").write_bytes(whole)
    await admin.client.patch(f"/v1/users/{user.id}", json={"quota_bytes": 5 * MB})
    code, out = await run(settings, service.url, tmp_path, *token)
    assert (code, "of 5000000 bytes left" in out) == (1, True), out


async def test_a_file_that_was_stored_since_the_lookup_is_not_sent(
    service: RunningService, user: Account, tmp_path: Path
) -> None:
    body = noise_png(9 * MB)
    await user.client.post("/v1/images", files={"image": ("stored.png", body)}, timeout=60)
    (tmp_path / "copy.png").write_bytes(body)
    moves: list[int] = []
    async with fault_proxy(service.url.removeprefix("http://")) as proxy:
        headers = dict(user.client.headers)
        async with httpx.AsyncClient(base_url=f"http://{proxy.address}", headers=headers) as http_client:
            client = ImportClient(http_client, UploadOptions())
            image = await client.upload(
                Candidate(tmp_path / "copy.png", len(body), ("cat",)), digest(body), moves.append
            )
        assert proxy.sent < 10_000
    assert (image.name, image.is_new, moves) == ("stored.png", False, [])


async def test_the_progress_is_that_of_the_server(service: RunningService, user: Account, tmp_path: Path) -> None:
    body = noise_png(9 * MB)
    (tmp_path / "large.png").write_bytes(body)
    moves: list[int] = []
    async with fault_proxy(service.url.removeprefix("http://")) as proxy:
        proxy.set(bytes_per_second=10 * MB)
        headers = dict(user.client.headers)
        async with httpx.AsyncClient(base_url=f"http://{proxy.address}", headers=headers, timeout=60) as http_client:
            client = ImportClient(http_client, UploadOptions())
            file = Candidate(tmp_path / "large.png", len(body), ())
            uploading = asyncio.create_task(client.upload(file, digest(body), moves.append))
            await sent(proxy, 3 * MB)
            proxy.cut()
            assert (await uploading).is_new
    assert sum(moves) == len(body)
    assert max(moves) <= MB
