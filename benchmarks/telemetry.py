"""What the recorder costs a small GET: one service, asked in short turns with and without it.

    python -m benchmarks.telemetry [--rounds 6] [--requests 1200] [--connections 6] [--share 0.4]

Both kinds are the same process, at two ports, of which one goes round the middleware: two processes differ by more
than what is measured here, by chance alone. After each turn there is a pause longer than the flush interval, so that
each turn pays for itself. For MongoDB slow (0.3 s more), up, frozen (SIGSTOP) and stopped, and for each of two loads,

* full: each connection asks again as soon as it is answered, so that the service, PostgreSQL, MongoDB and the clients
  contend for the processors;
* even: so many requests a second, a share of what the bare kind does in full (0: not at all);

it prints, as the median of the rounds' ratios with their quartiles,

* processor: the processor time of the whole service process, pause included, for each request;
* throughput and p99, as the clients see them (under the even load a request counts from when it was due);

with the processor time of each party for each request, and the requests that failed. The target: under the full load
throughput at most 5 % lower, p99 at most 10 % higher, no failure. `CACHE_ENABLED=false` measures a request that is
worked for; otherwise the cache answers.
"""

import argparse
import asyncio
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import psutil
import uvicorn
from starlette.types import Receive, Scope, Send

from app.core.settings import Settings
from app.db.migrate import upgrade
from app.embedded.stack import Stack
from app.http.recording import RecordingMiddleware
from app.main import create_app
from app.serving.server import settle_collector
from tests.telemetry.proxy import proxied

REQUEST = b"GET /v1/tags?limit=1 HTTP/1.1\r\nHost: bench\r\nUser-Agent: bench/1.0\r\n\r\n"
SLOW_SECONDS = 0.3
PAUSE_SECONDS = 1.3
KINDS = ("bare", "recorded")
Ports = Mapping[str, int]


class Turn(NamedTuple):
    """What one turn gave: requests per second, p99 in seconds, failures, microseconds of processor time a request."""

    throughput: float
    p99: float
    failures: int
    service: float
    mongod: float
    clients: float


Pairs = Sequence[tuple[Turn, Turn]]


class Running(NamedTuple):
    """A service with a port for each kind, and its MongoDB."""

    ports: Ports
    service: psutil.Process
    mongod: psutil.Process


class Switch:
    """The application with and without the recorder, told apart by the port; they share all that the lifespan opens."""

    def __init__(self, bare_port: int) -> None:
        self._bare_port = bare_port
        self._recorded, self._bare = create_app(Settings()), create_app(Settings())
        recorder = next(one for one in self._bare.user_middleware if one.cls is RecordingMiddleware)  # type: ignore[comparison-overlap]
        self._bare.user_middleware.remove(recorder)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass it on."""
        bare = scope["type"] == "http" and scope["server"][1] == self._bare_port
        await (self._bare if bare else self._recorded)(scope, receive, send)


def serve(listeners: Sequence[int]) -> None:
    """Serve on two open sockets: first the bare kind's."""
    sockets = [socket.socket(fileno=number) for number in listeners]
    app = Switch(sockets[0].getsockname()[1])
    # Not `fd=`: uvicorn takes that for a Unix socket and leaves TCP_NODELAY off, which costs 40 ms a request.
    _Server(uvicorn.Config(app, log_config=None, access_log=False)).run(sockets=sockets)


class _Server(uvicorn.Server):
    """With the collector as the service's own server has it."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        settle_collector()


@contextmanager
def service(environment: Mapping[str, str], mongod: psutil.Process) -> Iterator[Running]:
    """Yield a service in a process of its own."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=512)) for _ in KINDS]
        numbers = [one.fileno() for one in sockets]
        command = [sys.executable, "-m", "benchmarks.telemetry", "--serve", *map(str, numbers)]
        process = subprocess.Popen(command, pass_fds=numbers, env={**os.environ, **environment})  # noqa: S603
        ports = {kind: one.getsockname()[1] for kind, one in zip(KINDS, sockets, strict=True)}
        try:
            yield Running(ports, psutil.Process(process.pid), mongod)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


async def take_turn(running: Running, kind: str, options: argparse.Namespace, rate: float) -> Turn:
    """Send so many requests on so many connections, at this rate if it is not 0; then wait until they are recorded."""
    latencies: list[float] = []
    before, started = _processor_seconds(running), time.perf_counter()
    share, interval = options.requests // options.connections, options.connections / rate if rate else 0.0
    starts = [started + number * interval / options.connections for number in range(options.connections)]
    clients = (_client(running.ports[kind], share, latencies, start, interval) for start in starts)
    failures = sum(await asyncio.gather(*clients))
    seconds, client_seconds = time.perf_counter() - started, time.process_time()
    await asyncio.sleep(PAUSE_SECONDS)
    after = *_processor_seconds(running)[:2], client_seconds
    each = [(late - early) / len(latencies) * 1e6 for early, late in zip(before, after, strict=True)]
    return Turn(len(latencies) / seconds, statistics.quantiles(latencies, n=100)[98], failures, *each)


def _processor_seconds(running: Running) -> tuple[float, float, float]:
    return _used(running.service), _used(running.mongod), time.process_time()


def _used(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


async def _client(port: int, requests: int, latencies: list[float], start: float = 0.0, interval: float = 0.0) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    failures = 0
    for number in range(requests):
        due = start + number * interval if interval else time.perf_counter()
        if (early := due - time.perf_counter()) > 0:
            await asyncio.sleep(early)
        writer.write(REQUEST)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        failures += not head.startswith(b"HTTP/1.1 200 ")
        latencies.append(time.perf_counter() - due)
    writer.close()
    return failures


async def measure(name: str, running: Running, options: argparse.Namespace) -> bool:
    """Print a line for each load; tell whether the full one is within the target."""
    full = await _turns(running, options, 0.0)
    _report(f"{name}, full", full)
    if options.share:
        rate = statistics.median(bare.throughput for _, bare in full) * options.share
        _report(f"{name}, even", await _turns(running, options, rate))
    throughput, tail = _changes(full, "throughput"), _changes(full, "p99")
    failures = sum(recorded.failures for recorded, _ in full)
    return statistics.median(throughput) >= -0.05 and statistics.median(tail) <= 0.10 and failures == 0


async def _turns(running: Running, options: argparse.Namespace, rate: float) -> list[tuple[Turn, Turn]]:
    """Return the turns as pairs: with the recorder, without it."""
    turns: dict[str, list[Turn]] = {kind: [] for kind in KINDS}
    for number in range(options.rounds):
        for kind in KINDS if number % 2 else reversed(KINDS):
            turns[kind].append(await take_turn(running, kind, options, rate))
    return list(zip(turns["recorded"], turns["bare"], strict=True))


def _report(name: str, pairs: Pairs) -> None:
    ratios = "  ".join(
        f"{title} {_spread(_changes(pairs, figure))}"
        for title, figure in (("processor", "service"), ("throughput", "throughput"), ("p99", "p99"))
    )
    failures = sum(recorded.failures for recorded, _ in pairs)
    print(f"{name:14} {ratios}  failed {failures}; load {os.getloadavg()[0]:.1f}")
    for kind, one in (("recorded", 0), ("bare", 1)):
        middle = {field: statistics.median(getattr(pair[one], field) for pair in pairs) for field in Turn._fields}
        print(
            f"    {kind:9} {middle['throughput']:.0f}/s, p99 {middle['p99'] * 1000:.1f} ms; us of the processor:"
            f" service {middle['service']:.0f}, MongoDB {middle['mongod']:.0f}, clients {middle['clients']:.0f}",
            flush=True,
        )


def _changes(pairs: Pairs, figure: str) -> list[float]:
    return [getattr(recorded, figure) / getattr(bare, figure) - 1 for recorded, bare in pairs]


def _spread(changes: Sequence[float]) -> str:
    low, middle, high = statistics.quantiles(changes, n=4)
    return f"{middle:+.1%} ({low:+.1%} {high:+.1%})"


async def compare(options: argparse.Namespace) -> bool:
    """Run all four cases; tell whether all are within the target."""
    with (
        TemporaryDirectory() as directory,
        Stack(Path(directory), report=lambda _line: None, durable=False) as backends,
    ):
        environment = backends.addresses() | {"JWT_SECRET": "b" * 48, "APP_ENV": "development", "LOG_LEVEL": "ERROR"}
        environment["TELEMETRY_SPILL_DIR"] = f"{directory}/telemetry"
        settings = Settings.model_validate({"database_url": environment["DATABASE_URL"]})
        await asyncio.to_thread(upgrade, settings.sqlalchemy_url)
        mongod = psutil.Process(json.loads(backends.pid_file("mongo").read_text())["pid"])
        async with proxied(environment["MONGO_URL"]) as (proxy, slow_url):
            proxy.latency = SLOW_SECONDS
            with service(environment | {"MONGO_URL": slow_url}, mongod) as running:
                await _warm_up(running)
                good = [await measure("slow", running, options)]
        with service(environment, mongod) as running:
            await _warm_up(running)
            good.append(await measure("up", running, options))
            mongod.suspend()
            good.append(await measure("frozen", running, options))
            mongod.kill()
            good.append(await measure("stopped", running, options))
    return all(good)


async def _warm_up(running: Running) -> None:
    for port in running.ports.values():
        await _client(port, 500, [])  # the first one is answered as soon as the service is up


def main() -> None:
    """Compare, or be one of the services that are compared."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--requests", type=int, default=1200)
    parser.add_argument("--connections", type=int, default=6)
    parser.add_argument("--share", type=float, default=0.4)
    parser.add_argument("--serve", type=int, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
    elif not asyncio.run(compare(options)):
        sys.exit(1)


if __name__ == "__main__":
    main()
