"""What the recorder costs a small GET: two services, with and without it, under the same load at the same time.

    python -m benchmarks.telemetry [--rounds 12] [--seconds 2] [--connections 6]

Both are asked at once, each by so many clients that wait for their answers, so that whatever else the machine does hits
both alike. For MongoDB slow (0.3 s more), up, frozen (SIGSTOP) and stopped it prints

* processor: the processor time of the whole service process, flushing included, for each request it answered;
* throughput: the median of the rounds' ratios, with their quartiles;
* p99: the median of the rounds' ratios, with their quartiles;
* failed: requests to the recorded service that were not answered with 200.

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


class Running(NamedTuple):
    """A service."""

    port: int
    process: psutil.Process


class Turn(NamedTuple):
    """What a service did in a round: requests answered, their p99 in seconds, failures."""

    requests: int
    p99: float
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
    return Turn(len(latencies), statistics.quantiles(latencies, n=100)[98], failures)


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
    rounds = [
        await asyncio.gather(*(load(running[kind], options.seconds, options.connections) for kind in SERVICES))
        for _ in range(options.rounds)
    ]
    spent = {kind: _processor_seconds(one.process) - before[kind] for kind, one in running.items()}
    bare, recorded = zip(*rounds, strict=True)
    cost = [
        spent[kind] / sum(turn.requests for turn in turns) * 1e6
        for kind, turns in zip(SERVICES, (bare, recorded), strict=True)
    ]
    throughput = [one.requests / other.requests - 1 for one, other in zip(recorded, bare, strict=True)]
    tail = [one.p99 / other.p99 - 1 for one, other in zip(recorded, bare, strict=True)]
    failures = sum(turn.failures for turn in recorded)
    print(
        f"{name:8} processor {cost[0]:.0f} -> {cost[1]:.0f} us a request ({cost[1] / cost[0] - 1:+.1%})"
        f"  throughput {_spread(throughput)}  p99 {_spread(tail)}  failed {failures};"
        f" bare {statistics.median(turn.requests for turn in bare) / options.seconds:.0f}/s,"
        f" p99 {statistics.median(turn.p99 for turn in bare) * 1000:.1f} ms; load {os.getloadavg()[0]:.1f}",
        flush=True,
    )
    return statistics.median(throughput) >= -0.05 and statistics.median(tail) <= 0.10 and failures == 0


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
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--connections", type=int, default=6)
    parser.add_argument("--serve", choices=SERVICES, help=argparse.SUPPRESS)
    parser.add_argument("--fd", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options.fd)
    elif not asyncio.run(compare(options)):
        sys.exit(1)


if __name__ == "__main__":
    main()
