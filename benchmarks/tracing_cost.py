"""Measures the processor time of the export by OTLP for a read and for an upload, in one run.

    python -m benchmarks.tracing_cost [--blocks 12] [--reads 600] [--uploads 30] [--ratio 1]

Two services with the same backends take turns in the order ABBA: one with `OTEL_EXPORTER_OTLP_ENDPOINT`, one without.
The collector answers each export and drops it, and its processor time does not count. Spans are sent once a second
instead of every five seconds, so that a turn ends with its own. `--ratio` is the share of the requests that are
sampled, by default all. The response cache is off. The results have the 95 % intervals of benchmarks.paired_statistics.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from benchmarks.paired_statistics import Block, Turn, median_change, median_difference, processor_us, steps_of
from benchmarks.queries import IMAGES
from benchmarks.service import OK, Client, Server, servers, serving
from benchmarks.tag_history import TagClient

ORDER = ("bare", "traced", "traced", "bare")
EXPORT_SECONDS = 1.0
# After a turn, for the spans that wait and for the request log.
SETTLE_SECONDS = 2 * EXPORT_SECONDS
Operations = Mapping[str, Callable[[], None]]


@contextmanager
def running_collector() -> Iterator[tuple[str, list[str]]]:
    """Serve a collector; yield its address and the paths of the exports so far."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            paths.append(self.path)
            self.send_response(OK)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments: Any) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", paths
        server.shutdown()
        thread.join()


def operations_of(server: Server, first: int) -> dict[str, Callable[[], None]]:
    """Return a read and an upload of one client, whose images are named by the numbers from `first` on."""
    uploading, reading = TagClient(server.url, first), Client(server.url)
    uploading.upload()
    image = json.loads(reading.get(IMAGES, {"limit": 1})[1])["items"][0]["links"]["self"]

    def read() -> None:
        status, body = reading.send("GET", image)
        if status != OK:
            raise RuntimeError(f"{image}: {status} {body!r}")

    return {"read an image": read, "upload an image with five tags": uploading.upload}


def measure(server: Server, operation: Callable[[], None], requests: int) -> Turn:
    """Run the operation one time after the other; wait for the exports."""
    latencies: list[float] = []
    before, started = server.cpu_seconds(), time.perf_counter()
    for _ in range(requests):
        begun = time.perf_counter()
        operation()
        latencies.append(time.perf_counter() - begun)
    seconds = time.perf_counter() - started
    time.sleep(SETTLE_SECONDS)
    processor = server.cpu_seconds() - before
    return Turn(requests, processor, requests, seconds, steps_of(latencies), 0)


def blocks_of(name: str, both: Mapping[str, tuple[Server, Operations]], requests: int, count: int) -> Iterator[Block]:
    """Yield blocks of turns of both kinds."""
    for _ in range(count):
        turns: dict[str, Turn] = {}
        for kind in ORDER:
            server, operations = both[kind]
            turn = measure(server, operations[name], requests)
            turns[kind] = turns[kind].plus(turn) if kind in turns else turn
        yield turns


@contextmanager
def running(ratio: float) -> Iterator[dict[str, tuple[Server, Operations]]]:
    """Start the servers, both services and the collector."""
    command = [sys.executable, "-m", "app", "serve"]
    with servers({}), running_collector() as (collector, paths), tempfile.TemporaryDirectory() as directory:
        export = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector,
            "OTEL_BSP_SCHEDULE_DELAY": str(round(EXPORT_SECONDS * 1000)),
            "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
            "OTEL_TRACES_SAMPLER_ARG": str(ratio),
            "TELEMETRY_SPILL_DIR": f"{directory}/wal",
        }
        with serving(command, "/readyz") as bare, serving(command, "/readyz", **export) as traced:
            yield {"bare": (bare, operations_of(bare, 0)), "traced": (traced, operations_of(traced, 1_000_000))}
        if "/v1/traces" not in paths:
            raise RuntimeError("the collector received no spans")


def main() -> None:
    """Measure both operations and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=12)
    parser.add_argument("--reads", type=int, default=600)
    parser.add_argument("--uploads", type=int, default=30)
    parser.add_argument("--ratio", type=float, default=1.0)
    options = parser.parse_args()
    with running(options.ratio) as both:
        print("| operation | without, µs | traced, µs | difference, µs | change |", "|---" * 5 + "|", sep="\n")
        for name, requests in zip(both["bare"][1], (options.reads, options.uploads), strict=True):
            # Compiled statements, connections and decoders.
            for server, operations in both.values():
                measure(server, operations[name], requests)
            blocks = list(blocks_of(name, both, requests, options.blocks))
            times = [sum(processor_us(block[kind]) for block in blocks) / len(blocks) for kind in ("bare", "traced")]
            more = median_difference(blocks, "traced", processor_us)
            change = median_change(blocks, "traced", processor_us)
            cells = [f"{time_us:,.0f}" for time_us in times]
            cells += [f"{more.value:+,.0f} ({more.low:+,.0f} to {more.high:+,.0f})"]
            cells += [f"{change.value:+.1%} ({change.low:+.1%} to {change.high:+.1%})"]
            print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
