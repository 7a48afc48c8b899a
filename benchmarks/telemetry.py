"""Measures the cost of the recorder for a small GET: one service, in short turns with and without it.

    python -m benchmarks.telemetry [--blocks 12] [--paths worked cached] [--mongo up …] [--floor]

The GET is `/v1/tags?limit=1`. `worked` has the cache off, so the service computes each response. `cached` has it on,
which is the hardest case: such a response costs little more than its record. Both are measured with MongoDB slow (each
response 0.2 s late), up, frozen (SIGSTOP) and stopped. `--floor` adds a third kind: a recorder that keeps one tuple of
a request and drops it. No recorder could cost less.

All kinds run in one process, on the same connections (benchmarks.toggleable_service), so nothing else differs. A block
has a turn of each kind and the same turns in reverse order, 8 seconds in all. A turn begins with a lead-in of one flush
interval, so the measured second has as many flushes as any other. It ends when all of its records are in MongoDB, or on
the disk while MongoDB is down. The processor time of the service counts to that end, with the lead-in. The clients send
one request after the other on each connection, without a pause.

The target: throughput at most 5 % lower, p99 at most 10 % higher, no failed request. `open` means that the interval
contains the target: more blocks are needed.
"""

import argparse
import asyncio
import contextlib
import json
import os
import re
import select
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from urllib.request import urlopen

import psutil

from app.core.settings import Settings
from app.db.schema.schema_upgrade import upgrade
from benchmarks.paired_statistics import (
    Block,
    Estimate,
    Turn,
    median_change,
    median_difference,
    p99_change,
    pooled_p99,
    processor_us,
    steps_of,
    throughput,
)
from devstack.stack import Stack
from tests.telemetry.mongo_message_proxy import proxied

REQUEST = b"GET /v1/tags?limit=1 HTTP/1.1\r\nHost: bench\r\nUser-Agent: bench/1.0\r\n\r\n"
CONNECTIONS = 6
# Each way.
SLOW_SECONDS = 0.1
WARM_SECONDS = 2.0
# The default of TELEMETRY_FLUSH_SECONDS, and the measured part of a turn.
FLUSH_SECONDS = TURN_SECONDS = 1.0
PATHS = {"worked": "false", "cached": "true"}
ENVIRONMENT = {
    "JWT_SECRET": "b" * 48,
    "APP_ENV": "development",
    "LOG_LEVEL": "ERROR",
    "TELEMETRY_SPILL_MAX_BYTES": str(2**30),
}
MONGO = ("slow", "up", "frozen", "stopped")
THROUGHPUT_AIM, P99_AIM = 0.05, 0.10
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n")


class Clients:
    """Persistent connections to a service. Each sends its next request as soon as it has a response."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._poll = select.epoll()
        self._sockets = [socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(CONNECTIONS)]
        for one in self._sockets:
            self._poll.register(one.fileno(), select.EPOLLIN)

    def begin(self, kind: str) -> dict[str, Any]:
        """End the current turn and begin one of this kind; return the counters of the service."""
        with urlopen(f"http://127.0.0.1:{self._port}/turn?{kind}", timeout=60) as response:
            results: dict[str, Any] = json.load(response)
        return results

    def run(self, lead_in: float, seconds: float) -> Turn:
        """Send requests for the lead-in and `seconds`; measure only the latter. The caller sets `processor`."""
        sockets = {one.fileno(): one for one in self._sockets}
        latencies: list[float] = []
        requests = failures = 0
        window = time.perf_counter() + lead_in
        end = window + seconds
        sent_at = dict.fromkeys(sockets, 0.0)
        for number, one in sockets.items():
            sent_at[number] = _send(one)
        while sent_at:
            for number, _ in self._poll.poll(30):
                good = _receive(sockets[number])
                now = time.perf_counter()
                requests, failures = requests + 1, failures + (not good)
                if window <= now < end:
                    latencies.append(now - sent_at[number])
                if now < end:
                    sent_at[number] = _send(sockets[number])
                else:
                    del sent_at[number]
        return Turn(requests, 0.0, len(latencies), seconds, steps_of(latencies), failures)

    def close(self) -> None:
        """Close the connections."""
        self._poll.close()
        for one in self._sockets:
            one.close()


def _send(connection: socket.socket) -> float:
    connection.send(REQUEST)
    return time.perf_counter()


def _receive(connection: socket.socket) -> bool:
    """Read one response; return whether it is a 200."""
    data = connection.recv(65536)
    while (end := data.find(b"\r\n\r\n")) < 0 or len(data) < end + 4 + _length(data):
        more = connection.recv(65536)
        if not more:
            raise ConnectionError("the service hung up")
        data += more
    return data.startswith(b"HTTP/1.1 200 ")


def _length(data: bytes) -> int:
    found = _LENGTH.search(data)
    return int(found[1]) if found else 0


@contextmanager
def served(environment: Mapping[str, str]) -> Iterator[Clients]:
    """Run a service in its own process, with clients that have warmed up all kinds."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        command = [sys.executable, "-m", "benchmarks.toggleable_service", str(listener.fileno())]
        process = subprocess.Popen(command, pass_fds=[listener.fileno()], env={**os.environ, **environment})  # noqa: S603
        try:
            clients = Clients(listener.getsockname()[1])  # the first response comes once it is ready
            for kind in ("bare", "floor", "recorded"):
                clients.begin(kind)
                clients.run(0, WARM_SECONDS)
            yield clients
            clients.close()
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


class Case(NamedTuple):
    """A case: a path, a state of MongoDB, and its process."""

    path: str
    mongo: str
    mongod: psutil.Process

    @property
    def mongod_seconds(self) -> float:
        """Return the processor time that MongoDB has used so far."""
        with contextlib.suppress(psutil.NoSuchProcess):
            return float(sum(self.mongod.cpu_times()[:2]))
        return 0.0


def measure(case: Case, clients: Clients, options: argparse.Namespace) -> bool:
    """Run the turns and print the results; return whether all targets were met or open."""
    kinds = ["recorded", "bare", *(["floor"] if options.floor else [])]
    mongod = case.mongod_seconds
    blocks = []
    for _ in range(options.blocks):
        block: dict[str, Turn] = {}
        for kind in (*kinds, *reversed(kinds)):
            turn = take_turn(clients, kind)
            block[kind] = block[kind].plus(turn) if kind in block else turn
        blocks.append(block)
    recorded = sum(block["recorded"].requests for block in blocks)
    each = (case.mongod_seconds - mongod) / recorded * 1e6
    print(
        f"{case.path}, MongoDB {case.mongo}: {options.blocks} blocks, {recorded} records, MongoDB {each:.0f} us each;"
        f" load {os.getloadavg()[0]:.1f}"
    )
    results = [report(blocks, kind) for kind in kinds if kind != "bare"]
    return all(results)


def take_turn(clients: Clients, kind: str) -> Turn:
    """Run a turn of a kind. The processor time counts until all records are flushed."""
    before = clients.begin(kind)
    turn = clients.run(FLUSH_SECONDS, TURN_SECONDS)
    after = clients.begin("bare")
    if not after["is_stable"] or after["dropped"]:
        raise RuntimeError(f"the recorder does not keep up: {after}")
    return turn._replace(processor=(after["processor_ns"] - before["processor_ns"]) / 1e9)


def report(blocks: Sequence[Block], kind: str) -> bool:
    """Print a kind compared with `bare`; return whether it misses no target."""
    rates = [statistics.median(throughput(block[one]) for block in blocks) for one in ("bare", kind)]
    costs = [statistics.median(processor_us(block[one]) for block in blocks) for one in ("bare", kind)]
    tails = [pooled_p99(blocks, one) * 1000 for one in ("bare", kind)]
    lost = median_change(blocks, kind, throughput)
    cost = Estimate(-lost.value, -lost.high, -lost.low)
    tail = p99_change(blocks, kind)
    failures = sum(turn.failures for block in blocks for turn in block.values())
    verdicts = cost.within(THROUGHPUT_AIM), tail.within(P99_AIM), "met" if failures == 0 else "missed"
    processor, more = median_change(blocks, kind, processor_us), median_difference(blocks, kind, processor_us)
    print(f"  {kind:8} throughput {_percent(lost)} {rates[0]:.0f} -> {rates[1]:.0f}/s: {verdicts[0]}")
    print(f"           processor  {_percent(processor)} {costs[0]:.1f} -> {costs[1]:.1f} us each: {_number(more)} us")
    print(f"           p99        {_percent(tail)} {tails[0]:.2f} -> {tails[1]:.2f} ms: {verdicts[1]}")
    print(f"           failed     {failures}: {verdicts[2]}", flush=True)
    return "missed" not in verdicts


def _percent(estimate: Estimate) -> str:
    return f"{estimate.value:+.1%} ({estimate.low:+.1%} to {estimate.high:+.1%})"


def _number(estimate: Estimate) -> str:
    return f"{estimate.value:+.1f} ({estimate.low:+.1f} to {estimate.high:+.1f})"


async def compare(options: argparse.Namespace) -> bool:
    """Measure the selected cases; return whether no target was missed."""
    with (
        TemporaryDirectory() as directory,
        Stack(Path(directory), report=lambda _line: None, durable=False) as backends,
    ):
        own = {"TELEMETRY_SPILL_DIR": f"{directory}/telemetry", "TELEMETRY_FLUSH_SECONDS": str(FLUSH_SECONDS)}
        environment = backends.addresses() | ENVIRONMENT | own
        settings = Settings.model_validate({"database_url": environment["DATABASE_URL"]})
        await asyncio.to_thread(upgrade, settings.sqlalchemy_direct_url)
        mongod = psutil.Process(json.loads(backends.pid_file("mongo").read_text())["pid"])
        good = [
            await _in_state(Case(path, mongo, mongod), environment | {"CACHE_ENABLED": PATHS[path]}, options)
            for mongo in sorted(options.mongo, key=MONGO.index)
            for path in options.paths
        ]
    return all(good)


async def _in_state(case: Case, environment: dict[str, str], options: argparse.Namespace) -> bool:
    """Measure with MongoDB in this state. `stopped` is the last state, because MongoDB is not restarted."""
    async with AsyncExitStack() as stack:
        if case.mongo == "slow":
            proxy, environment["MONGO_URL"] = await stack.enter_async_context(proxied(environment["MONGO_URL"]))
            proxy.latency = SLOW_SECONDS
        if case.mongo == "stopped":
            with contextlib.suppress(psutil.NoSuchProcess):
                case.mongod.kill()
        return await asyncio.to_thread(_serve_and_measure, case, environment, options)


def _serve_and_measure(case: Case, environment: Mapping[str, str], options: argparse.Namespace) -> bool:
    with served(environment) as clients:
        if case.mongo != "frozen":
            return measure(case, clients, options)
        case.mongod.suspend()
        try:
            _until_cut_off(clients)
            return measure(case, clients, options)
        finally:
            case.mongod.resume()


def _until_cut_off(clients: Clients) -> None:
    """Record requests until the service has found out that MongoDB does not respond."""
    clients.begin("recorded")
    clients.run(0, WARM_SECONDS)
    while clients.begin("bare")["connected"]:
        time.sleep(0.5)


def main() -> None:
    """Compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=12)
    parser.add_argument("--paths", nargs="+", choices=tuple(PATHS), default=tuple(PATHS))
    parser.add_argument("--mongo", nargs="+", choices=MONGO, default=MONGO)
    parser.add_argument("--floor", action="store_true")
    if not asyncio.run(compare(parser.parse_args())):
        sys.exit(1)


if __name__ == "__main__":
    main()
