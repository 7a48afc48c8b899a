"""Compares uploads and downloads through the API with the object store alone, in one run.

    python -m benchmarks.uploads [--seconds 4] [--rounds 3] [--sizes 50K 2M 64M] [--concurrency 1 8] [--workers 1]

The servers are the embedded ones; the service is one process (or `--workers`) as `serve` starts it. The clients are
separate processes, one for each processor but at most one for each concurrent operation. Both sides use the same
library with persistent connections. The store alone is used through `put_object` and `get_object` of miniopy_async. The
two sides take turns, so that other load affects both.

It prints three tables in Markdown. The first has operations per second with their ratio. The second has the ratio of
resumable uploads to the ordinary upload. The third has the processor time of one operation by process, which other load
changes least. The sum
of a column, divided by the number of processors, is the minimum time of an operation on this machine, with any queue.
Resumable uploads are tus with one PATCH, and one POST with `Upload-Complete: ?1`.
"""

import argparse
import asyncio
import itertools
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from urllib.parse import urlencode

import psutil

from app.core.settings import Settings
from app.db.schema.schema_upgrade import upgrade
from app.storage.object_store import ObjectStore
from benchmarks.photographs import photograph
from benchmarks.service import Client, serving
from benchmarks.transfer_clients import Done, Task, work
from devstack import Stack
from devstack.stack import BACKENDS

UNITS = {"K": 1024, "M": 1024 * 1024}
PARTS = ("service", "decoders", "store", "database", "others", "clients")
# Both kinds of resumable uploads have their turns beside the ordinary upload.
SIDES = ("store_put", "api_tus", "api_put", "api_resumable", "store_get", "api_get")
STORED_BY = {"api_get": "api_put", "store_get": "store_put"}


class Meters:
    """The processor time that each part of the system has used."""

    def __init__(self, stack: Stack, service: psutil.Process) -> None:
        self._service = service
        self._servers = {name: _server(stack, name) for name in BACKENDS}

    def read(self) -> dict[str, float]:
        """Return the seconds so far."""
        servers = {name: _family_seconds(process) for name, process in self._servers.items()}
        family = [self._service, *self._service.children(recursive=True)]
        decoding = sum(_own_seconds(one) for one in family if _decodes(one))
        # The worker that waited for replaced decoders has their processor time.
        decoding += sum(_reaped_seconds(one) for one in family if not _decodes(one))
        return {
            "service": sum(_own_seconds(one) for one in family if not _decodes(one)),
            "decoders": decoding,
            "store": servers["object_store"],
            "database": servers["postgres"],
            "others": servers["mongo"] + servers["redis"],
        }


@dataclass(slots=True)
class Side:
    """The results of one side so far, by its turns."""

    operation: str
    count: int = 0
    rate: float = 0.0
    turns: int = 0
    place: str = ""
    cpu_seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PARTS, 0.0))

    def note(self, done: list[Done], used: Mapping[str, float]) -> None:
        """Add a turn."""
        self.count += sum(one.count for one in done)
        self.rate += sum(one.count / one.seconds for one in done)
        self.turns += 1
        self.place = done[0].place
        for part, seconds in {**used, "clients": sum(one.cpu_seconds for one in done)}.items():
            self.cpu_seconds[part] += seconds

    @property
    def per_second(self) -> float:
        """Operations a second."""
        return self.rate / self.turns

    def milliseconds(self, part: str) -> float:
        """Return the processor time that a part used for one operation."""
        return self.cpu_seconds[part] / max(1, self.count) * 1000


class Bench:
    """The running servers, and the addresses to measure."""

    def __init__(self, meters: Meters, url: str, token: str, clients: ProcessPoolExecutor) -> None:
        self._meters, self._url, self._token, self._clients = meters, url, token, clients
        self._turns = itertools.count()

    def measure(self, file: Path, at_once: int, seconds: float, rounds: int) -> dict[str, Side]:
        """Measure all sides in turn with this file."""
        sides = {name: Side(name) for name in SIDES}
        for _ in range(rounds):
            for side in sides.values():
                source = STORED_BY.get(side.operation)
                self._turn(side, sides[source].place if source else None, file, at_once, seconds / rounds)
        return sides

    def _turn(self, side: Side, place: str | None, file: Path, at_once: int, seconds: float) -> None:
        processes = min(at_once, os.cpu_count() or 1)
        turn = next(self._turns)
        shares = [at_once // processes + (number < at_once % processes) for number in range(processes)]
        before = self._meters.read()
        tasks = [
            Task(side.operation, file, place or f"b{turn}-{number}", share, seconds, self._url, self._token)
            for number, share in enumerate(shares)
        ]
        done = list(self._clients.map(work, tasks))
        after = self._meters.read()
        side.note(done, {part: after[part] - before[part] for part in after})


@contextmanager
def bench(workers: int) -> Iterator[Bench]:
    """Start all servers; stop them at the end."""
    with (
        tempfile.TemporaryDirectory(prefix="imts-bench-") as directory,
        Stack(Path(directory) / "data", report=lambda _line: None) as stack,
    ):
        os.environ.update(stack.addresses())
        os.environ.update(APP_ENV="development", JWT_SECRET="b" * 48, LOG_LEVEL="ERROR")
        os.environ["TELEMETRY_SPILL_DIR"] = f"{directory}/wal"
        upgrade(Settings().sqlalchemy_url)
        asyncio.run(_make_bucket(Settings()))
        command = [sys.executable, "-m", "app", "serve", "--workers", str(workers)]
        with (
            serving(command, "/readyz") as service,
            ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as clients,
        ):
            yield Bench(Meters(stack, service.process), service.url, sign_in(service.url), clients)


async def _make_bucket(settings: Settings) -> None:
    objects = ObjectStore(settings)
    await objects.ensure_bucket()
    await objects.close()


def sign_in(url: str) -> str:
    """Create an account; return its access token."""
    client = Client(url)
    account = {"email": "bench@example.com", "password": "correct horse battery staple"}
    client.send("POST", "/v1/users", json.dumps(account).encode(), {"Content-Type": "application/json"})
    form = {"grant_type": "password", "username": account["email"], "password": account["password"]}
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    _, body = client.send("POST", "/v1/auth/token", urlencode(form).encode(), kind)
    return str(json.loads(body)["access_token"])


def _server(stack: Stack, name: str) -> psutil.Process:
    return psutil.Process(int(json.loads(stack.pid_file(name).read_text())["pid"]))


def _decodes(process: psutil.Process) -> bool:
    return "decoder_worker" in " ".join(process.cmdline())


def _own_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _reaped_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.children_user + times.children_system)


def _family_seconds(process: psutil.Process) -> float:
    family = [process, *process.children(recursive=True)]
    return sum(_own_seconds(one) + _reaped_seconds(one) for one in family)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", nargs="+", default=["50K", "2M", "64M"])
    parser.add_argument("--concurrency", nargs="+", type=int, default=[1, 8])
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    measured: list[tuple[str, int, dict[str, Side]]] = []
    with bench(options.workers) as both, tempfile.NamedTemporaryFile() as file:
        for size, at_once in itertools.product(options.sizes, options.concurrency):
            Path(file.name).write_bytes(photograph(int(size[:-1]) * UNITS[size[-1]]))
            sides = both.measure(Path(file.name), at_once, options.seconds, options.rounds)
            measured.append((size, at_once, sides))
            print(f"{size}, {at_once} at once: measured, load {os.getloadavg()[0]:.1f}", file=sys.stderr)
    print_rates(measured)
    print_resumable(measured)
    print_times(measured)


def print_rates(measured: list[tuple[str, int, dict[str, Side]]]) -> None:
    """Print operations a second, and the ratios."""
    print("| size | at once | store put/s | API put/s | ratio | store get/s | API get/s | ratio |")
    print("|---|---|---|---|---|---|---|---|")
    for size, at_once, sides in measured:
        cells = [_compared(sides[f"store_{operation}"], sides[f"api_{operation}"]) for operation in ("put", "get")]
        print(f"| {size} | {at_once} | {' | '.join(cells)} |")


def print_resumable(measured: list[tuple[str, int, dict[str, Side]]]) -> None:
    """Print the rates of resumable uploads, and their ratios to the ordinary upload."""
    print("\n| size | at once | ordinary/s | tus/s | ratio | one POST/s | ratio |")
    print("|---|---|---|---|---|---|---|")
    for size, at_once, sides in measured:
        ordinary = sides["api_put"].per_second
        rates = [sides[name].per_second for name in ("api_tus", "api_resumable")]
        cells = " | ".join(f"{rate:.1f} | {rate / ordinary:.2f}" for rate in rates)
        print(f"| {size} | {at_once} | {ordinary:.1f} | {cells} |")


def print_times(measured: list[tuple[str, int, dict[str, Side]]]) -> None:
    """Print the processor time of one operation, in milliseconds."""
    print(f"\n| size | at once | operation | {' | '.join(PARTS)} | together |")
    print("|---" * (len(PARTS) + 4) + "|")
    for (size, at_once, sides), name in itertools.product(measured, SIDES):
        times = [sides[name].milliseconds(part) for part in PARTS]
        cells = " | ".join(f"{one:.2f}" for one in [*times, sum(times)])
        print(f"| {size} | {at_once} | {name.replace('_', ' ').replace('api', 'API')} | {cells} |")


def _compared(store: Side, api: Side) -> str:
    return f"{store.per_second:.1f} | {api.per_second:.1f} | {api.per_second / store.per_second:.2f}"


if __name__ == "__main__":
    main()
