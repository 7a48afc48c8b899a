"""`python -m app serve`, as a process of its own."""

import asyncio
import io
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import httpx
import pytest
from PIL import Image
from pydantic import SecretStr

from app.core.settings import Settings
from devstack.ports import Claims, choose
from tests.support.accounts import Account
from tests.support.environment import environment
from tests.support.paths import ROOT
from tests.support.processes import ServiceProcess, service_process

MIB = 1024 * 1024


def large_png(size: int) -> bytes:
    """Return a PNG that no compression makes smaller than `size` bytes; its pixels are random."""
    side = int((size / 3) ** 0.5) + 1
    buffer = io.BytesIO()
    Image.frombytes("RGB", (side, side), os.urandom(side * side * 3)).save(buffer, "PNG", compress_level=0)
    return buffer.getvalue()


class SlowFile(io.BytesIO):
    """A file that pauses its reader after `until` bytes."""

    def __init__(self, content: bytes, until: int) -> None:
        super().__init__(content)
        self._until = until
        self.reached, self.go_on = threading.Event(), threading.Event()

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() >= self._until:
            self.reached.set()
            self.go_on.wait(30)
        return super().read(size)


def test_production_refuses_published_secrets_and_names_each() -> None:
    environment = {"PATH": os.environ["PATH"], "APP_ENV": "production"}
    lines = (ROOT / "docker-local.env").read_text().splitlines()
    environment |= dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    environment["APP_ENV"] = "production"
    ended = subprocess.run(
        [sys.executable, "-m", "app", "serve"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert "Not started: JWT_SECRET still has the published value" in ended.stderr
    assert "docker-local-" not in ended.stderr


@pytest.mark.parametrize("command", [["migrate"], ["create-admin", "a@example.com"], ["sweep"], ["serve"]])
def test_f91_a_command_without_its_addresses_fails_and_names_the_directory_of_dev(
    command: list[str], tmp_path: Path
) -> None:
    ended = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "app", *command],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert "Not started: DATABASE_URL is not set" in ended.stderr
    # `serve` takes its addresses from the environment only.
    assert ("no running `dev` uses .imts" in ended.stderr) is (command != ["serve"])


@pytest.mark.parametrize("token", ["", "a token for the metrics"])
def test_f87_f88_a_healthy_start_warns_of_open_metrics_only(settings: Settings, tmp_path: Path, token: str) -> None:
    """A first start, without a bucket, and a malformed upload."""
    changes = {
        "metrics_token": SecretStr(token),
        "storage_bucket": f"first-start-{uuid.uuid4().hex}",
        "log_level": "INFO",
    }
    log = tmp_path / "log"
    with service_process(settings.model_copy(update=changes), log=log) as service:
        malformed = {"Content-Type": "multipart/form-data; boundary=b"}
        httpx.post(f"{service.url}/api/v1/images", content=b"--b\r\nno header\r\n\r\n", headers=malformed)
        deadline = time.monotonic() + 30
        while httpx.get(f"{service.url}/readyz").json()["status"] != "ok" and time.monotonic() < deadline:
            time.sleep(0.1)
    lines = [line for line in log.read_text().splitlines() if "warning" in line.lower()]
    assert len(lines) == (not token), lines
    assert all("METRICS_TOKEN" in line for line in lines)


@pytest.fixture
def process(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServiceProcess]:
    """With a temporary directory of its own."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with service_process(settings) as process:
        yield process


def test_a_large_upload_leaves_memory_and_the_temp_directory_flat(
    user: Account, process: ServiceProcess, tmp_path: Path
) -> None:
    photo = large_png(95 * MIB)
    with httpx.Client(base_url=process.url, headers=user.client.headers, timeout=120) as client:
        client.post("/v1/images", files={"image": ("warm.png", large_png(12 * MIB))}).raise_for_status()
        before, peak = process.resident_bytes(), 0
        before_it = set(tmp_path.iterdir())
        done = threading.Event()

        def watch() -> None:
            nonlocal peak
            while not done.wait(0.005):
                peak = max(peak, process.resident_bytes())

        watcher = threading.Thread(target=watch)
        watcher.start()
        response = client.post("/v1/images", files={"image": ("large.png", photo)})
        done.set()
        watcher.join()
        assert response.status_code == 201, response.text
        assert response.json()["size"] == len(photo)
    assert peak - before < 32 * MIB
    assert set(tmp_path.iterdir()) == before_it


async def test_killed_during_an_upload_the_name_can_be_used_again(
    user: Account, settings: Settings, sql: asyncpg.Connection
) -> None:
    photo = large_png(8 * MIB)
    with service_process(settings) as process:
        body = SlowFile(photo, until=6 * MIB)
        upload = asyncio.create_task(asyncio.to_thread(post, process.url, user, body))
        async with asyncio.timeout(30):
            while await sql.fetchval("SELECT count(*) FROM orphaned_objects") != 1:
                await asyncio.sleep(0.05)
        assert body.reached.is_set()
        process.process.send_signal(signal.SIGKILL)
        process.process.wait()
        body.go_on.set()
        with pytest.raises(httpx.TransportError):
            await upload
    with service_process(settings) as process:
        assert (await asyncio.to_thread(post, process.url, user, io.BytesIO(photo))).status_code == 201
    # The killed one's key waits for the sweeper; the new one's is off the list.
    assert await sql.fetchval("SELECT count(*) FROM orphaned_objects") == 1


def test_it_listens_on_the_given_address_and_sigterm_ends_it_with_0(settings: Settings) -> None:
    claims = Claims()
    port = choose("serve", None, None, claims, with_grpc=False)
    command = [sys.executable, "-m", "app", "serve", "--port", str(port)]
    with subprocess.Popen(command, cwd=ROOT, env=environment(settings)) as process:  # noqa: S603 - our own command
        deadline = time.monotonic() + 60
        while not is_listening(port):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.terminate()
        assert process.wait(60) == 0
    claims.release()


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_environment_gives_the_same_settings(settings: Settings) -> None:
    assert environment(settings)["STORAGE_BUCKET"] == settings.storage_bucket


def post(url: str, user: Account, file: io.BytesIO) -> httpx.Response:
    return httpx.post(f"{url}/v1/images", files={"image": ("again.png", file)}, headers=user.client.headers, timeout=60)
