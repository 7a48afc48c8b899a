"""MetricsSnapshot for Prometheus, right with several workers.

A scrape reaches one worker only. So each worker keeps a snapshot of its figures in its slot of the spill directory, and
the one that is asked adds all of them up. Counters go on from where the last worker in the slot left them, since a sum
that ever goes down would look to Prometheus like a restart; and only what is published is shown, so that a `kill -9`
cannot take back a figure that was seen. Gauges of workers that are no more do not count.
"""

import json
import platform
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from app import VERSION
from app.telemetry.request_record import Series

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
# A worker publishes with each flush; one that has not for so long is no more, or hangs.
GAUGE_SECONDS = 15
_SNAPSHOT = "figures.json"
_REQUESTS = ("imts_http_requests_total", "Requests answered, by route and status class")
_DURATION = ("imts_http_request_duration_seconds", "Time from the first byte in to the last byte out")
# Takes a duration in milliseconds and returns its place among BOUNDS.
_slot_of = partial(bisect_left, [bound * 1000 for bound in BOUNDS])


@dataclass(slots=True)
class LatencyHistogram:
    """A histogram of one series: a count for each of BOUNDS and one above, and the sum in seconds."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    seconds: float = 0.0

    def merge(self, counts: Sequence[int], seconds: float) -> None:
        """Add another histogram of the same series."""
        self.counts = [mine + theirs for mine, theirs in zip(self.counts, counts, strict=True)]
        self.seconds += seconds


@dataclass(slots=True)
class MetricsSnapshot:
    """Counters, gauges and request histograms, of one worker or of all."""

    counters: dict[str, float] = field(default_factory=dict)
    gauges: dict[str, float] = field(default_factory=dict)
    requests: dict[Series, LatencyHistogram] = field(default_factory=dict)

    def observe(self, series: Series, durations_ms: Sequence[float]) -> None:
        """Count requests of one series."""
        durations = self.requests.setdefault(series, LatencyHistogram())
        for slot, count in Counter(map(_slot_of, durations_ms)).items():
            durations.counts[slot] += count
        durations.seconds += sum(durations_ms) / 1000

    def dump(self) -> str:
        """Return them as JSON, with the time."""
        requests = [[*series, durations.counts, durations.seconds] for series, durations in self.requests.items()]
        return json.dumps({"time": time.time(), "counters": self.counters, "gauges": self.gauges, "requests": requests})

    def merge(self, snapshot: Mapping[str, Any], *, gauges: bool) -> None:
        """Add the figures of a dump."""
        _add(self.counters, snapshot["counters"])
        if gauges:
            _add(self.gauges, snapshot["gauges"])
        for method, route, status_class, counts, seconds in snapshot["requests"]:
            self.requests.setdefault((method, route, status_class), LatencyHistogram()).merge(counts, seconds)


class Registry:
    """The names of the figures, with their help texts, and the gauges that are read when they are published."""

    def __init__(self) -> None:
        self.figures = MetricsSnapshot()
        self._help: dict[str, str] = {}
        self._gauges: dict[str, Callable[[], float]] = {}
        self._counters: dict[str, Callable[[], float]] = {}
        self._before: dict[str, float] = {}

    def gauge(self, name: str, description: str, read: Callable[[], float]) -> None:
        """Show what `read` returns, added up over the workers."""
        self._help[name], self._gauges[name] = description, read

    def counter(self, name: str, description: str, read: Callable[[], float]) -> None:
        """Show the result of `read`, which must not decrease. The name may have labels: `name{label="value"}`."""
        self._help[name], self._counters[name] = description, read

    def resume(self, directory: Path) -> None:
        """Go on from the counters that the last worker in this slot published."""
        if snapshot := _load(directory):
            before = MetricsSnapshot()
            before.merge(snapshot, gauges=False)
            self._before = before.counters
            self.figures.merge({**snapshot, "counters": {}}, gauges=False)

    def snapshot(self) -> str:
        """Return this worker's figures of now, for `publish`. Not thread-safe: for the event loop."""
        self.figures.counters = {name: self._before.get(name, 0) + read() for name, read in self._counters.items()}
        self.figures.gauges = {name: read() for name, read in self._gauges.items()}
        return self.figures.dump()

    def render(self, directories: Iterable[Path], own: str) -> str:
        """Return the text of all workers' figures; `own` stands alone where there is no spill directory. Blocks."""
        total = MetricsSnapshot()
        snapshots = [snapshot for directory in directories if (snapshot := _load(directory))] or [json.loads(own)]
        for snapshot in snapshots:
            total.merge(snapshot, gauges=abs(time.time() - snapshot["time"]) < GAUGE_SECONDS)
        lines = [*_build_lines(), *_request_lines(total.requests)]
        for kind, names, values in (
            ("counter", self._counters, total.counters),
            ("gauge", self._gauges, total.gauges),
        ):
            for name in names:
                # A name may have labels: `name{label="value"}`. Such counters share a header.
                family = name.partition("{")[0]
                header = _header(family, self._help[name], kind)
                lines += [*(header if header[0] not in lines else ()), f"{name} {_number(values.get(name, 0))}"]
        return "\n".join(lines) + "\n"


def publish(directory: Path, snapshot: str) -> None:
    """Put a worker's snapshot where the others find it, whole or not at all. Raises OSError."""
    builder = directory / f"{_SNAPSHOT}.new"
    builder.write_text(snapshot)
    builder.replace(directory / _SNAPSHOT)


def _add(sums: dict[str, float], values: Mapping[str, float]) -> None:
    for name, value in values.items():
        sums[name] = sums.get(name, 0) + value


def _load(directory: Path) -> dict[str, Any] | None:
    """Return the snapshot that lies there; None for one that another version of the service has written otherwise."""
    try:
        snapshot: dict[str, Any] = json.loads((directory / _SNAPSHOT).read_text())
        MetricsSnapshot().merge(snapshot, gauges=float(snapshot["time"]) > 0)
    except (OSError, ValueError, TypeError, LookupError, AttributeError):
        return None
    return snapshot


def _build_lines() -> Iterable[str]:
    yield from _header("imts_build_info", "The version of the service and of Python", "gauge")
    yield f'imts_build_info{{version="{VERSION}",python="{platform.python_version()}"}} 1'


def _request_lines(requests: Mapping[Series, LatencyHistogram]) -> Iterable[str]:
    yield from _header(*_REQUESTS, "counter")
    for series, durations in sorted(requests.items()):
        yield f"{_REQUESTS[0]}{{{_labels(series)}}} {sum(durations.counts)}"
    yield from _header(*_DURATION, "histogram")
    for series, durations in sorted(requests.items()):
        yield from _histogram_lines(_DURATION[0], _labels(series), durations)


def _histogram_lines(name: str, labels: str, durations: LatencyHistogram) -> Iterable[str]:
    total = 0
    for bound, count in zip((*map(str, BOUNDS), "+Inf"), durations.counts, strict=True):
        total += count
        yield f'{name}_bucket{{{labels},le="{bound}"}} {total}'
    yield f"{name}_sum{{{labels}}} {durations.seconds:.6f}"
    yield f"{name}_count{{{labels}}} {total}"


def _header(name: str, description: str, kind: str) -> tuple[str, str]:
    return f"# HELP {name} {description}", f"# TYPE {name} {kind}"


def _labels(series: Series) -> str:
    method, route, status_class = (value.replace("\\", r"\\").replace('"', r"\"") for value in series)
    return f'method="{method}",route="{route}",status_class="{status_class}"'


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:.6g}"
