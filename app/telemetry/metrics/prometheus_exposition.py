"""The metrics for Prometheus: collected in each worker, summed over the workers, exposed by prometheus-client.

A scrape reaches one worker. Each worker therefore publishes a snapshot in its worker directory, and the worker that is
scraped adds up all of them. Counters continue from the values of the last worker in the same directory, because
Prometheus takes a decrease for a restart. Only published values are shown, so a `kill -9` cannot take back a value that
was seen. Gauges of workers that have ended do not count. A shared gauge has the same value in each worker, such as the
number of images: the newest published value is shown.

The library's own multiprocess mode keeps one file for each process that ever ran, and its gauges cannot be callbacks.
"""

import json
import os
import platform
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.registry import Collector

from app import VERSION
from app.core.observability.duration_histogram import BOUNDS, DurationHistogram
from app.telemetry.request_record import Series

# A worker publishes with each flush. After this time without one, it has ended or hangs.
GAUGE_SECONDS = 15
# The name of version 1.0: with another one, counters would restart at an upgrade.
_SNAPSHOT = "figures.json"
_REQUESTS = ("imts_http_requests", "Completed requests, by route and status class")
_DURATION = ("imts_http_request_duration_seconds", "Time from the first byte received to the last byte sent")
_LABELS = ("method", "route", "status_class")
_Family = TypeVar("_Family", CounterMetricFamily, GaugeMetricFamily)
# Takes a duration in milliseconds and returns its index among BOUNDS.
_bucket_of = partial(bisect_left, [bound * 1000 for bound in BOUNDS])


@dataclass(slots=True)
class MetricsSnapshot:
    """Counters, gauges and histograms, of one worker or of all."""

    counters: dict[str, float] = field(default_factory=dict)
    gauges: dict[str, float] = field(default_factory=dict)
    shared_gauges: dict[str, float] = field(default_factory=dict)
    histograms: dict[str, DurationHistogram] = field(default_factory=dict)
    requests: dict[Series, DurationHistogram] = field(default_factory=dict)

    def observe(self, series: Series, durations_ms: Sequence[float]) -> None:
        """Count requests of one series."""
        durations = self.requests.setdefault(series, DurationHistogram())
        for bucket, count in Counter(map(_bucket_of, durations_ms)).items():
            durations.counts[bucket] += count
        durations.seconds += sum(durations_ms) / 1000

    def dump(self) -> str:
        """Return them as JSON, with the time."""
        requests = [[*series, durations.counts, durations.seconds] for series, durations in self.requests.items()]
        values = {"counters": self.counters, "gauges": self.gauges, "shared_gauges": self.shared_gauges}
        histograms = {name: [one.counts, one.seconds] for name, one in self.histograms.items()}
        identity = {"time": time.time(), "pid": os.getpid(), "version": VERSION}
        return json.dumps({**identity, **values, "histograms": histograms, "requests": requests})

    def merge(self, snapshot: Mapping[str, Any], *, gauges: bool) -> None:
        """Add the metrics of a dump, which is newer than the dumps before it."""
        _add(self.counters, snapshot["counters"])
        if gauges:
            _add(self.gauges, snapshot["gauges"])
            # Missing in the dumps of earlier versions.
            self.shared_gauges.update(snapshot.get("shared_gauges", {}))
        # Missing in the dumps of earlier versions, too.
        for name, (counts, seconds) in snapshot.get("histograms", {}).items():
            self.histograms.setdefault(name, DurationHistogram()).merge(counts, seconds)
        for method, route, status_class, counts, seconds in snapshot["requests"]:
            self.requests.setdefault((method, route, status_class), DurationHistogram()).merge(counts, seconds)


class WorkerState(NamedTuple):
    """A running worker: its process id, its version, and its gauges and histograms of `age_seconds` ago.

    The histograms include those of the last worker in the same directory.
    """

    pid: int
    version: str
    age_seconds: float
    gauges: Mapping[str, float]
    histograms: Mapping[str, DurationHistogram]


class Registry:
    """The metrics of this worker: names, help texts, and the callbacks that are read at each publication.

    A name may have one label, as in `imts_queue_length{queue="searches"}`. The names of a family have the same label.
    """

    def __init__(self) -> None:
        # Of this worker. All but the gauges include those of the last worker in the same directory.
        self.current = MetricsSnapshot()
        self._help: dict[str, str] = {}
        self._gauges: dict[str, Callable[[], float]] = {}
        self._shared_gauges: dict[str, Callable[[], float | None]] = {}
        self._counters: dict[str, Callable[[], float]] = {}
        self._histograms: dict[str, DurationHistogram] = {}
        self._before = MetricsSnapshot()

    def gauge(self, name: str, description: str, read: Callable[[], float]) -> None:
        """Add a gauge that shows the sum over the workers of what `read` returns."""
        self._help[name], self._gauges[name] = description, read

    def shared_gauge(self, name: str, description: str, read: Callable[[], float | None]) -> None:
        """Add a gauge that is the same in each worker. `read` returns None while the value is unknown."""
        self._help[name], self._shared_gauges[name] = description, read

    def counter(self, name: str, description: str, read: Callable[[], float]) -> None:
        """Add a counter: `read` must not decrease."""
        self._help[name], self._counters[name] = description, read

    def histogram(self, name: str, description: str, histogram: DurationHistogram) -> None:
        """Add a histogram, which its owner continues to change."""
        self._help[name], self._histograms[name] = description, histogram

    @property
    def counter_names(self) -> Sequence[str]:
        """The names of the counters, with their labels."""
        return tuple(self._counters)

    @property
    def gauge_names(self) -> Sequence[str]:
        """The names of the gauges, with their labels."""
        return (*self._gauges, *self._shared_gauges)

    @property
    def histogram_names(self) -> Sequence[str]:
        """The names of the histograms, with their labels."""
        return tuple(self._histograms)

    def help(self, name: str) -> str:
        """Return the help text of a metric."""
        return self._help[name]

    def resume(self, directory: Path) -> None:
        """Continue the counters that the last worker in this directory published."""
        if snapshot := _load(directory):
            self._before.merge({**snapshot, "requests": []}, gauges=False)
            self.current.merge({**snapshot, "counters": {}, "histograms": {}}, gauges=False)

    def snapshot(self) -> str:
        """Return the current metrics of this worker, for `publish`. Not thread-safe: for the event loop."""
        before = self._before
        self.current.counters = {name: before.counters.get(name, 0) + read() for name, read in self._counters.items()}
        self.current.histograms = {
            name: _sum(one, before.histograms.get(name)) for name, one in self._histograms.items()
        }
        self.current.gauges = {name: read() for name, read in self._gauges.items()}
        shared = {name: read() for name, read in self._shared_gauges.items()}
        self.current.shared_gauges = {name: value for name, value in shared.items() if value is not None}
        return self.current.dump()

    def render(self, directories: Iterable[Path], own: str) -> str:
        """Return the text of all workers' metrics. Blocks.

        Without any published snapshot, such as without a worker directory, `own` is the only one.
        """
        total = MetricsSnapshot()
        snapshots = [snapshot for directory in directories if (snapshot := _load(directory))] or [json.loads(own)]
        for snapshot in sorted(snapshots, key=itemgetter("time")):
            total.merge(snapshot, gauges=abs(time.time() - snapshot["time"]) < GAUGE_SECONDS)
        counters = {name: total.counters.get(name, 0.0) for name in self._counters}
        gauges: dict[str, float | None] = {name: total.gauges.get(name, 0.0) for name in self._gauges}
        gauges |= {name: total.shared_gauges.get(name) for name in self._shared_gauges}
        registry = CollectorRegistry()
        histograms = {name: total.histograms.get(name, DurationHistogram()) for name in self._histograms}
        registry.register(_Total(total.requests, self._help, counters, gauges, histograms))
        return generate_latest(registry).decode()


class _Total(Collector):
    """Yields the sum of the workers' snapshots as metric families of prometheus-client."""

    def __init__(
        self,
        requests: Mapping[Series, DurationHistogram],
        texts: Mapping[str, str],
        counters: Mapping[str, float],
        gauges: Mapping[str, float | None],
        histograms: Mapping[str, DurationHistogram],
    ) -> None:
        self._requests = requests
        self._texts = texts
        self._counters = counters
        self._gauges = gauges
        self._histograms = histograms

    def collect(self) -> Iterator[Metric]:
        """Yield the families: build, requests, durations, counters, gauges, histograms."""
        build = InfoMetricFamily("imts_build", "The version of the service and of Python")
        build.add_metric([], {"version": VERSION, "python": platform.python_version()})
        yield build
        yield from self._request_families()
        yield from self._families(CounterMetricFamily, self._counters)
        yield from self._families(GaugeMetricFamily, self._gauges)
        yield from self._histogram_families()

    def _request_families(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(*_REQUESTS, labels=_LABELS)
        durations = HistogramMetricFamily(*_DURATION, labels=_LABELS)
        for series, histogram in sorted(self._requests.items()):
            requests.add_metric(series, histogram.count)
            durations.add_metric(series, histogram.buckets(), histogram.seconds)
        yield requests
        yield durations

    def _families(
        self, family_type: type[_Family], values: Mapping[str, float | None] | Mapping[str, float]
    ) -> Iterable[_Family]:
        """Return the families of these values. A family whose value is unknown has no sample."""
        families: dict[str, _Family] = {}
        for name, value in values.items():
            family_name, labels, label_values = _split_name(name)
            if family_name not in families:
                families[family_name] = family_type(family_name, self._texts[name], labels=labels)
            if value is not None:
                families[family_name].add_metric(label_values, value)
        return families.values()

    def _histogram_families(self) -> Iterable[HistogramMetricFamily]:
        families: dict[str, HistogramMetricFamily] = {}
        for name, histogram in self._histograms.items():
            family_name, labels, label_values = _split_name(name)
            family = HistogramMetricFamily(family_name, self._texts[name], labels=labels)
            families.setdefault(family_name, family).add_metric(label_values, histogram.buckets(), histogram.seconds)
        return families.values()


def _split_name(name: str) -> tuple[str, list[str], list[str]]:
    """Return the name of the family, and the name and the value of the label."""
    family_name, _, label = name.partition("{")
    key, _, value = label.rstrip("}").partition("=")
    return (family_name, [key], [value.strip('"')]) if key else (family_name, [], [])


def read_workers(directories: Iterable[Path], own: str) -> list[WorkerState]:
    """Return the running workers of these directories; without any, that of `own`. Blocks."""
    snapshots = [snapshot for directory in directories if (snapshot := _load(directory))] or [json.loads(own)]
    workers = [_state_of(snapshot) for snapshot in snapshots]
    return [worker for worker in workers if abs(worker.age_seconds) < GAUGE_SECONDS]


def _state_of(snapshot: Mapping[str, Any]) -> WorkerState:
    values = MetricsSnapshot()
    values.merge(snapshot, gauges=True)
    # Workers of earlier versions publish neither process id nor version.
    pid, version = snapshot.get("pid", 0), snapshot.get("version", "unknown")
    return WorkerState(pid, version, time.time() - snapshot["time"], values.gauges, values.histograms)


def publish(directory: Path, snapshot: str) -> None:
    """Publish a worker's snapshot to the other workers, atomically. Raises OSError."""
    temporary = directory / f"{_SNAPSHOT}.new"
    temporary.write_text(snapshot)
    temporary.replace(directory / _SNAPSHOT)


def _sum(mine: DurationHistogram, before: DurationHistogram | None) -> DurationHistogram:
    total = DurationHistogram(list(mine.counts), mine.seconds)
    if before is not None:
        total.merge(before.counts, before.seconds)
    return total


def _add(sums: dict[str, float], values: Mapping[str, float]) -> None:
    for name, value in values.items():
        sums[name] = sums.get(name, 0) + value


def _load(directory: Path) -> dict[str, Any] | None:
    """Return the snapshot of a directory; None if it is missing or has the format of another version."""
    try:
        snapshot: dict[str, Any] = json.loads((directory / _SNAPSHOT).read_text())
        MetricsSnapshot().merge(snapshot, gauges=float(snapshot["time"]) > 0)
    except (OSError, ValueError, TypeError, LookupError, AttributeError):
        return None
    return snapshot
