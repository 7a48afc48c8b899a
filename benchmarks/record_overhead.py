"""Measures the processor time of one request record, in one process without servers; other load affects it little.

    python -m benchmarks.record_overhead [--turns 40]

The application computes for some 30 µs, with enough code to push the recorder's out of the processor's cache. In a loop
of nothing else, the recorder costs a third of its real cost. The turns are: the application as it is, behind a
middleware that keeps one tuple and drops it (the floor), and behind RecordingMiddleware. Then the records are counted
and written as a batch. The disk, the driver and MongoDB are left out. The output is the median of the turns, in
microseconds for a request, with the 95 % interval of benchmarks.paired_statistics.
"""

import argparse
import asyncio
import datetime as dt
import email
import gc
import ipaddress
import json
import time
import uuid
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs

import uvloop
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.observability.request_counters import count_cache
from app.http.middleware.request_recording import RecordingMiddleware
from app.telemetry.metrics.minute_rollup import group_records
from app.telemetry.recording.batch import BatchBuilder, RunEncoder
from app.telemetry.recording.document_encoder import DocumentEncoder
from app.telemetry.recording.recorder import SLICE_RECORDS
from app.telemetry.redaction import PersonalData
from app.telemetry.request_record import RequestRecord
from benchmarks.paired_statistics import median_of
from benchmarks.toggleable_service import Floor

REQUESTS = 500
_MAIL = b"From: a@example.org\r\nSubject: hello\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nbody\r\n"


class Collector:
    """Collects records in place of the recorder."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.records: list[RequestRecord] = []

    def record(self, event: RequestRecord) -> None:
        """Append it."""
        self.records.append(event)


async def application(scope: Scope, _receive: Receive, send: Send) -> None:
    """Run much code on few data, then respond."""
    number = scope["client"][1]
    email.message_from_bytes(_MAIL)
    parse_qs(f"a=1&b=2&c={number}")
    json.loads(json.dumps({"a": [number] * 10, "b": {"c": "d" * 50}}))
    str(uuid.UUID(int=number))
    ipaddress.ip_address(number)
    dt.datetime.now(dt.UTC).isoformat()
    count_cache(hit=True)
    scope["state"]["route_template"] = "/v1/tags"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"x" * 200})


async def measure_request(app: ASGIApp, collector: Collector) -> float:
    """Return the microseconds of processor time for a request."""
    container = SimpleNamespace(recorder=collector)
    started = time.thread_time_ns()
    for number in range(REQUESTS):
        # New objects for each request, as a server creates them.
        scope: dict[str, Any] = {
            "type": "http",
            "method": "GET",
            "path": b"/v1/tags".decode(),
            "query_string": b"limit=%d" % (number % 10),
            "headers": [(b"host", b"bench"), (b"user-agent", b"bench/%d" % 1), (b"accept", b"*/*")],
            "client": ("127.0.0.1", number),
            "state": {"container": container, "request_id": f"{number:032x}"},
        }
        await app(scope, _receive, _send)
    return (time.thread_time_ns() - started) / REQUESTS / 1000


async def _receive() -> Message:
    return {"type": "http.disconnect"}


async def _send(_message: Message) -> None:
    pass


async def measure(turns: int) -> dict[str, list[float]]:
    """Return the microseconds of each part, turn by turn."""
    encoder = RunEncoder("0" * 16, DocumentEncoder("bench:1", PersonalData("keep", "b" * 48), frozenset()))
    collector = Collector()
    kinds: dict[str, ASGIApp] = {"floor": Floor(application), "in the request": RecordingMiddleware(application)}
    figures: dict[str, list[float]] = {name: [] for name in ("bare", *kinds, "in the batch")}
    gc.collect()
    gc.freeze()
    for _ in range(turns):
        for kind, app in kinds.items():
            before = await measure_request(application, collector)
            figures[kind].append((await measure_request(app, collector) + await measure_request(app, collector)) / 2)
            bare = (before + await measure_request(application, collector)) / 2
            figures[kind][-1] -= bare
            figures["bare"].append(bare)
        figures["in the batch"].append(_write(encoder, collector.records))
        collector.records.clear()
    return figures


def _write(encoder: RunEncoder, records: Sequence[RequestRecord]) -> float:
    builder = BatchBuilder(encoder)
    started = time.thread_time_ns()
    for start in range(0, len(records), SLICE_RECORDS):
        some = records[start : start + SLICE_RECORDS]
        builder.add(some, group_records(some))
    builder.payload()
    return (time.thread_time_ns() - started) / len(records) / 1000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=40)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        figures = runner.run(measure(parser.parse_args().turns))
    for name, values in figures.items():
        estimate = median_of(values)
        print(f"{name:15} {estimate.value:5.1f} us ({estimate.low:.1f} to {estimate.high:.1f})")


if __name__ == "__main__":
    main()
