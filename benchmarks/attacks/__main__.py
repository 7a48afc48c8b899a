"""Measures the service under each attack on its availability.

`python -m benchmarks.attacks [F4 F8 ...]` runs each attack from another process, against a worker started like `serve`.
It prints the latency of `/healthz`, the worker's peak memory, and the share of honest requests that succeed: a search,
a sign-in and an upload from another address. The first line is an idle worker. `--full` measures a minute for each
attack instead of six seconds; `--json FILE` keeps the figures.
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any

from benchmarks.attacks.registry import ATTACKS, Attack, run_attack
from benchmarks.attacks.target import HONEST, Sender, Target, open_account, small_image
from benchmarks.service import Server, servers, serving

SHORT_SECONDS, FULL_SECONDS = 6.0, 60.0
ACCOUNTS = 12
WORKER = [sys.executable, "-m", "app", "serve"]
MAX_P99_MS, MAX_RSS_MIB = 50, 300
PROBE_PAUSE_SECONDS = 0.01
MEMORY_PAUSE_SECONDS = 0.05
HONEST_PAUSE_SECONDS = 0.2
# A fork would inherit the threads and connections of this process.
_PROCESSES = multiprocessing.get_context("spawn")


@dataclass(frozen=True, slots=True)
class Figures:
    """The measurements under one attack: milliseconds, MiB, and a share of 1."""

    attack: str
    p50_ms: float
    p99_ms: float
    max_ms: float
    rss_mib: float
    succeeded: float
    honest: int

    @property
    def meets_aim(self) -> bool:
        """Whether latency and memory are within the limits."""
        return self.p99_ms < MAX_P99_MS and self.rss_mib < MAX_RSS_MIB

    def line(self) -> str:
        """Return a row of the table."""
        verdict = "ok" if self.meets_aim else "MISSED"
        figures = f"{self.p50_ms:8.1f} {self.p99_ms:8.1f} {self.max_ms:8.1f} {self.rss_mib:8.0f}"
        return f"{self.attack:44} {figures} {self.succeeded:9.0%} of {self.honest:<4} {verdict}"


class Observer:
    """Measures from threads of this process until it is stopped."""

    def __init__(self, server: Server, email: str, token: str) -> None:
        self._server, self._email, self._token = server, email, token
        self._end = Event()
        self.latencies: list[float] = []
        self.peak = 0
        self.outcomes: list[bool] = []

    @contextmanager
    def observing(self) -> Iterator[None]:
        """Measure while the block runs."""
        threads = [Thread(target=work) for work in (self._probe, self._weigh, self._behave)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._end.set()
            for thread in threads:
                thread.join()

    def _probe(self) -> None:
        sender = Sender(self._server.url, HONEST)
        while not self._end.wait(PROBE_PAUSE_SECONDS):
            began = time.perf_counter()
            with contextlib.suppress(OSError):
                sender.send("GET", "/healthz")
            self.latencies.append((time.perf_counter() - began) * 1000)

    def _weigh(self) -> None:
        while not self._end.wait(MEMORY_PAUSE_SECONDS):
            self.peak = max(self.peak, self._server.process.memory_info().rss)

    def _behave(self) -> None:
        sender = Sender(self._server.url, HONEST, self._token)
        requests: list[Callable[[], int]] = [
            lambda: sender.send("GET", "/v1/images?limit=5"),
            lambda: sender.sign_in(self._email),
            lambda: sender.upload(small_image())[0],
        ]
        while not self._end.is_set():
            for request in requests:
                try:
                    self.outcomes.append(request() < 300)
                except OSError:
                    self.outcomes.append(False)
                if self._end.wait(HONEST_PAUSE_SECONDS):
                    return


def measure(attack: Attack | None, accounts: Sequence[tuple[str, str]], seconds: float) -> Figures:
    """Start a worker, attack it from another process, and measure. The first account sends the honest requests."""
    with serving(WORKER, "/readyz") as server:
        observer = Observer(server, *accounts[0])
        process: Any = None
        if attack:
            tokens = [token for _, token in accounts[1:]]
            target = Target(server.url, tokens, time.monotonic() + seconds + 1)
            process = _PROCESSES.Process(target=run_attack, args=(attack.id, target))
            process.start()
            time.sleep(1)
        with observer.observing():
            time.sleep(seconds)
        if process:
            process.kill()
            process.join()
    ordered = sorted(observer.latencies)
    return Figures(
        attack=f"{attack.id} {attack.name}" if attack else "idle",
        p50_ms=round(ordered[len(ordered) // 2], 1),
        p99_ms=round(ordered[int(len(ordered) * 0.99)], 1),
        max_ms=round(ordered[-1], 1),
        rss_mib=round(observer.peak / 1024 / 1024, 1),
        succeeded=sum(observer.outcomes) / len(observer.outcomes),
        honest=len(observer.outcomes),
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("attacks", nargs="*", help=f"all, or some of {' '.join(ATTACKS)}")
    parser.add_argument("--full", action="store_true", help="a minute for each attack")
    parser.add_argument("--json", type=Path, help="where to keep the figures")
    options = parser.parse_args()
    chosen = [ATTACKS[fault] for fault in options.attacks] or list(ATTACKS.values())
    seconds = FULL_SECONDS if options.full else SHORT_SECONDS
    print(f"{'':44} {'p50 ms':>8} {'p99 ms':>8} {'max ms':>8} {'RSS MiB':>8} {'honest requests':>17}")
    measured = []
    with servers({}):
        os.environ.update(CACHE_ENABLED="true", STRIP_METADATA="true", ACCESS_TOKEN_SECONDS="86400")  # noqa: S106
        for name in ("UPLOAD_LIMITS", "SEARCH_LIMITS", "NEW_TAG_LIMITS"):
            os.environ.pop(name, None)
        with serving(WORKER, "/readyz") as server:
            accounts = [open_account(server.url, f"203.0.113.{number}") for number in range(1 + ACCOUNTS)]
        for attack in (None, *chosen):
            measured.append(measure(attack, accounts, seconds))
            print(measured[-1].line(), flush=True)
    if options.json:
        options.json.write_text(json.dumps([asdict(one) for one in measured], indent=2) + "\n")


if __name__ == "__main__":
    main()
