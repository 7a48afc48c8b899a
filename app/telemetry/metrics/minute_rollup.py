"""Rollup of records to the metrics: one sum per minute, method, route and status class."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from app.telemetry.metrics.latency_histogram import bucket_of
from app.telemetry.redaction import escape
from app.telemetry.request_record import MAX_NAME, RequestRecord, Series, milliseconds, series_of

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE_NS = 60 * 10**9
MINUTE = timedelta(minutes=1)


class Group(NamedTuple):
    """Records with one series and status in one minute (since 1970). `durations_ms` has one for each of `records`."""

    minute: int
    series: Series
    status: int
    records: Sequence[RequestRecord]
    durations_ms: Sequence[float]


def group_records(records: Iterable[RequestRecord]) -> list[Group]:
    """Return the records by minute, series and status."""
    # Grouped by raw values first: a series is computed once for each group.
    groups: defaultdict[tuple[int, str, str, int], list[RequestRecord]] = defaultdict(list)
    for record in records:
        groups[record.time // MINUTE_NS, record.method, record.route, record.status].append(record)
    return [
        Group(minute, series_of(method, route, status), status, some, [milliseconds(one.duration) for one in some])
        for (minute, method, route, status), some in groups.items()
    ]


@dataclass(slots=True)
class _Sum:
    """The sums of one series in one minute. An error is a 5xx: the service's fault, not the client's."""

    count: int = 0
    errors: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    duration_ms: float = 0.0
    buckets: Counter[int] = field(default_factory=Counter)

    def add(self, group: Group) -> None:
        """Add the records of a group."""
        self.count += len(group.records)
        self.errors += len(group.records) if group.status >= 500 else 0
        self.bytes_in += sum([record.bytes_in for record in group.records])
        self.bytes_out += sum([record.bytes_out for record in group.records])
        self.duration_ms += sum(group.durations_ms)
        self.buckets.update(map(bucket_of, group.durations_ms))

    def increments(self) -> list[list[Any]]:
        """Return names and values for MongoDB's `$inc`."""
        # A list, since in a BSON document handled by MongoDB's tools "buckets.7" would read as a path.
        return [
            ["count", self.count],
            ["errors", self.errors],
            ["bytes_in", self.bytes_in],
            ["bytes_out", self.bytes_out],
            ["duration_ms", round(self.duration_ms, 3)],
            *([f"buckets.{bucket}", count] for bucket, count in self.buckets.items()),
        ]


class MinuteRollup:
    """The sums of a batch under construction."""

    def __init__(self) -> None:
        self._rollup: defaultdict[tuple[int, Series], _Sum] = defaultdict(_Sum)

    def add(self, groups: Iterable[Group]) -> None:
        """Add the records of these groups."""
        for group in groups:
            self._rollup[group.minute, group.series].add(group)

    def increments(self) -> list[dict[str, Any]]:
        """Return the increments as documents: `key` names the series and minute, `inc` what is added to it."""
        return [{"key": _key(*of), "inc": one.increments()} for of, one in self._rollup.items()]


def _key(minute: int, series: Series) -> dict[str, Any]:
    method, route, status_class = series
    return {
        "minute": EPOCH + minute * MINUTE,
        "method": method,
        "route": escape(route, MAX_NAME),
        "status_class": status_class,
    }
