"""Several workers on one socket: no client notices the end of a worker."""

import asyncio
import itertools
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace

import httpx
import psutil
import pytest

from app.core.settings import Settings
from app.serving import supervisor
from tests.support.accounts import Account
from tests.support.photos import png
from tests.support.processes import ServiceProcess, service_process

# On a busy machine a process takes many seconds to start.
pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def process(settings: Settings) -> Iterator[ServiceProcess]:
    with service_process(settings, "--workers", "2", "--drain-seconds", "60") as process:
        yield process


@dataclass(slots=True)
class Load:
    """Clients in a loop: half of them keep their connection, half open one for each request."""

    url: str
    user: Account
    done: int = 0
    failures: list[str] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    async def run(self, clients: int, until: Callable[[], bool]) -> None:
        await asyncio.gather(*(self._client(bool(number % 2), until) for number in range(clients)))

    async def _client(self, keeps: bool, until: Callable[[], bool]) -> None:
        limits = httpx.Limits(max_keepalive_connections=1 if keeps else 0)
        headers = self.user.client.headers
        async with httpx.AsyncClient(base_url=self.url, headers=headers, limits=limits, timeout=60) as client:
            while not until():
                await self._request(client)

    async def _request(self, client: httpx.AsyncClient) -> None:
        number = next(self._numbers)
        try:
            if number % 20:
                response = await client.get("/v1/images?limit=1" if number % 2 else "/healthz")
            else:
                response = await client.post("/v1/images", files={"image": (f"{number}.png", png())})
            if not response.is_success:
                self.failures.append(f"{response.status_code} {response.text}")
        except httpx.HTTPError as error:
            self.failures.append(repr(error))
        self.done += 1


async def until_all_are_new(process: ServiceProcess, old: set[int]) -> None:
    """Wait until the same number of workers serves, and none of them is an old one."""
    async with asyncio.timeout(90):
        while len(now := {worker.pid for worker in process.workers()}) != len(old) or now & old:
            await asyncio.sleep(0.1)


@pytest.mark.parametrize(
    ("requests", "restarts"),
    [
        pytest.param(400, 1, id="short"),
        pytest.param(10_000, 5, id="long", marks=[pytest.mark.slow, pytest.mark.timeout(1200)]),
    ],
)
async def test_a_rolling_restart_fails_nothing(
    process: ServiceProcess, user: Account, requests: int, restarts: int
) -> None:
    load, restarted = Load(process.url, user), 0

    async def restart() -> None:
        nonlocal restarted
        for _ in range(restarts):
            old = {worker.pid for worker in process.workers()}
            process.process.send_signal(signal.SIGHUP)
            await until_all_are_new(process, old)
            restarted += 1

    restarting = asyncio.create_task(restart())
    await load.run(8, until=lambda: restarting.done() and load.done >= requests)
    await restarting
    assert load.failures == []
    assert (restarted, load.done >= requests) == (restarts, True)
    process.process.terminate()
    assert await asyncio.to_thread(process.process.wait, 60) == 0


async def test_a_dead_worker_is_replaced_and_no_worker_outlives_the_supervisor(process: ServiceProcess) -> None:
    async with asyncio.timeout(60):
        while len(before := process.workers()) != 2:
            await asyncio.sleep(0.05)
    before[0].kill()
    async with asyncio.timeout(60):
        while {worker.pid for worker in process.workers()} in ({before[1].pid}, {one.pid for one in before}):
            await asyncio.sleep(0.05)
    async with httpx.AsyncClient(base_url=process.url, timeout=60) as client:
        assert (await client.get("/healthz")).status_code == 200
    left = process.workers()
    assert before[1] in left
    assert len(left) == 2
    process.process.kill()
    gone, alive = await asyncio.to_thread(psutil.wait_procs, left, 60)
    assert (len(gone), alive) == (2, [])


def test_a_resumed_supervisor_kills_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """For example with its container: all clocks went on, and no heartbeat was read."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(supervisor, "time", SimpleNamespace(monotonic=lambda: clock.now))
    program = "import socket, sys; link = socket.socket(fileno=int(sys.argv[-1])); link.send(b'.'); link.recv(1)"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        worker = supervisor.Worker([sys.executable, "-c", program], listener)
    deadline = time.monotonic() + 60
    while not worker.is_ready:
        assert time.monotonic() < deadline
        worker.check()
    clock.now += 3600
    worker.check()
    assert worker.exit_code is None
    for _ in range(int(supervisor.HEARTBEAT_TIMEOUT) + 1):
        clock.now += 1
        worker.check()
    while worker.exit_code is None:
        assert time.monotonic() < deadline
    assert worker.exit_code == -signal.SIGKILL
    worker.release(0)


def test_a_supervisor_survives_failing_starts_of_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "MAX_PAUSE_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        # They end at once, and are replaced.
        kept = supervisor.Supervisor([sys.executable, "-c", "pass"], listener, 1, drain_seconds=1)
        kept._workers = [dead] = [kept._start()]
        kept._command = ["/nowhere/python"]
        deadline = time.monotonic() + 60
        while kept._next_start_at == 0:
            assert time.monotonic() < deadline
            kept._check_workers()
        assert kept._workers == [dead]
        kept._restart_workers()
        assert kept._workers == [dead]
        kept._command = [sys.executable, "-c", "pass"]
        while kept._workers == [dead]:
            assert time.monotonic() < deadline
            kept._check_workers()
        while kept._workers[0].exit_code is None:
            assert time.monotonic() < deadline
        kept._workers[0].release(0)
