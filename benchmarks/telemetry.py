"""What the recorder costs a small GET: two services, with and without it, take turns of load in one run.

    python -m benchmarks.telemetry [--rounds 12] [--seconds 1.5] [--connections 8]

For MongoDB slow (0.3 s more), up, frozen (SIGSTOP) and stopped it prints

* processor: the processor time of the whole service process, flushing included, for each request it answered. It is
  what the recorder costs, and other work on the machine hardly changes it;
* throughput: the median of the ratios of neighbouring turns, with their quartiles;
* p99: of all latencies of the quieter half of the turns, since a neighbour's burst shows there first.

Each turn of the recorded service is followed by a pause in which it flushes, so that the bare one does not pay for it.
The target: throughput at most 5 % lower, p99 at most 10 % higher, no failure.
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
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import psutil
import uvicorn

from app.core.settings import Settings
from app.db.migrate import upgrade
from app.embedded.stack import Stack
from app.main import create_app
from tests.telemetry.proxy import proxied

REQUEST = b"GET /v1/tags?limit=1 HTTP/1.1\r\nHost: bench\r\nUser-Agent: bench/1.0\r\n\r\n"
SLOW_SECONDS = 0.3
SERVICES = ("bare", "recorded")
# The default flush interval, and time to deliver.
FLUSH_SECONDS = 1.3


class Running(NamedTuple):
    """A service."""

    port: int
    process: psutil.Process


class Turn(NamedTuple):
    """What one turn of load gave: requests per second, every latency in seconds, failures."""

    throughput: float
    latencies: list[float]
    failures: int


def serve(kind: str, listener: int) -> None:
    """Run one service on an open socket."""
    app = create_app(Settings())
    if kind == "bare":
        app.user_middleware = [one for one in app.user_middleware if "RecordingMiddleware" not in repr(one.cls)]
    # Not `fd=`: uvicorn takes that for a Unix socket and leaves TCP_NODELAY off, which costs 40 ms a request.
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
    server.run(sockets=[socket.socket(fileno=listener)])


@contextmanager
def service(kind: str, environment: Mapping[str, str]) -> Iterator[Running]:
    """Yield a service in a process of its own."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        command = [sys.executable, "-m", "benchmarks.telemetry", "--serve", kind, "--fd", str(listener.fileno())]
        process = subprocess.Popen(  # noqa: S603 - this file
            command, pass_fds=[listener.fileno()], env={**os.environ, **environment}
        )
        try:
            yield Running(listener.getsockname()[1], psutil.Process(process.pid))
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


async def load(running: Running, seconds: float, connections: int) -> Turn:
    """Ask on so many connections for so long."""
    latencies: list[float] = []
    deadline = time.perf_counter() + seconds
    clients = (_client(running.port, deadline, latencies) for _ in range(connections))
    failures = sum(await asyncio.gather(*clients))
    return Turn(len(latencies) / seconds, latencies, failures)


def _processor_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def _client(port: int, deadline: float, latencies: list[float]) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    failures = 0
    while (started := time.perf_counter()) < deadline:
        writer.write(REQUEST)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        failures += not head.startswith(b"HTTP/1.1 200 ")
        latencies.append(time.perf_counter() - started)
    writer.close()
    return failures


async def measure(name: str, running: Mapping[str, Running], options: argparse.Namespace) -> bool:
    """Print one line; tell whether it is within the target."""
    before = {kind: _processor_seconds(one.process) for kind, one in running.items()}
    turns: dict[str, list[Turn]] = {kind: [] for kind in SERVICES}
    for number in range(options.rounds):
        for kind in SERVICES if number % 2 else reversed(SERVICES):
            turns[kind].append(await load(running[kind], options.seconds, options.connections))
            if kind == "recorded":
                await asyncio.sleep(FLUSH_SECONDS)
    cost = {
        kind: (_processor_seconds(one.process) - before[kind]) / sum(len(turn.latencies) for turn in turns[kind])
        for kind, one in running.items()
    }
    bare, recorded = turns["bare"], turns["recorded"]
    ratios = [one.throughput / other.throughput for one, other in zip(recorded, bare, strict=True)]
    throughput = statistics.median(ratios) - 1
    tail = _p99(recorded) / _p99(bare) - 1
    failures = sum(turn.failures for turn in recorded)
    low, _, high = statistics.quantiles(ratios, n=4)
    print(
        f"{name:8} processor {cost['bare'] * 1e6:.0f} -> {cost['recorded'] * 1e6:.0f} us a request"
        f" ({cost['recorded'] / cost['bare'] - 1:+.1%})  throughput {throughput:+.1%}"
        f" (quartiles {low - 1:+.1%} {high - 1:+.1%}; bare {statistics.median(one.throughput for one in bare):.0f}/s)"
        f"  p99 {tail:+.1%} (bare {_p99(bare) * 1000:.1f} ms)  failed {failures}  load {os.getloadavg()[0]:.1f}",
        flush=True,
    )
    return throughput >= -0.05 and tail <= 0.10 and failures == 0


def _p99(turns: Sequence[Turn]) -> float:
    quieter = sorted(turns, key=lambda turn: turn.throughput)[len(turns) // 2 :]
    return statistics.quantiles([latency for turn in quieter for latency in turn.latencies], n=100)[98]


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
        async with proxied(environment["MONGO_URL"]) as (proxy, slow_url):
            proxy.latency = SLOW_SECONDS
            async with services(environment | {"MONGO_URL": slow_url}) as running:
                good = [await measure("slow", running, options)]
        mongo = json.loads(backends.pid_file("mongo").read_text())["pid"]
        async with services(environment) as running:
            good.append(await measure("up", running, options))
            os.kill(mongo, signal.SIGSTOP)
            good.append(await measure("frozen", running, options))
            os.kill(mongo, signal.SIGKILL)
            good.append(await measure("stopped", running, options))
    return all(good)


@asynccontextmanager
async def services(environment: Mapping[str, str]) -> AsyncIterator[dict[str, Running]]:
    """Yield both services, warm."""
    with ExitStack() as stack:
        both = {kind: stack.enter_context(service(kind, environment)) for kind in SERVICES}
        for running in both.values():
            await _client(running.port, time.perf_counter() + 0.01, [])  # answered as soon as the service is up
            await load(running, 1, 4)
        yield both


def main() -> None:
    """Compare, or be one of the services that are compared."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--serve", choices=SERVICES, help=argparse.SUPPRESS)
    parser.add_argument("--fd", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options.fd)
    elif not asyncio.run(compare(options)):
        sys.exit(1)


if __name__ == "__main__":
    main()
