"""What a batch of records adds to the metrics: one sum per minute, method, route and status class."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from app.telemetry.histogram import bucket_of
from app.telemetry.record import MAX_NAME, RequestRecord, Series, series_of
from app.telemetry.redaction import plain

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE_NS = 60 * 10**9
MINUTE = timedelta(minutes=1)
# By minute since 1970, method, route, status: the keys that take the least to make of a record.
Groups = Mapping[tuple[int, str, str, int], Sequence[RequestRecord]]


def grouped(records: Iterable[RequestRecord]) -> Groups:
    """Return the records by minute and kind."""
    groups: defaultdict[tuple[int, str, str, int], list[RequestRecord]] = defaultdict(list)
    for record in records:
        groups[record.time // MINUTE_NS, record.method, record.route, record.status].append(record)
    return groups


def increments(groups: Groups) -> list[dict[str, Any]]:
    """Return the increments as documents: `key` names the series and minute, `inc` is for MongoDB's `$inc`."""
    sums: dict[tuple[int, Series], dict[str, float]] = {}
    for (minute, method, route, status), records in groups.items():
        inc = sums.setdefault((minute, series_of(method, route, status)), {})
        for name, value in _sums(records, status):
            inc[name] = inc.get(name, 0) + value
    return [_increment(minute, series, inc) for (minute, series), inc in sums.items()]


def _sums(records: Sequence[RequestRecord], status: int) -> Iterator[tuple[str, float]]:
    """Yield what records of one status add up to. An error is a 5xx: the service's fault, not the client's."""
    durations = [record.duration_ms for record in records]
    yield "count", len(records)
    yield "errors", len(records) if status >= 500 else 0
    yield "bytes_in", sum([record.bytes_in for record in records])
    yield "bytes_out", sum([record.bytes_out for record in records])
    yield "duration_ms", round(sum(durations), 3)
    for bucket, count in Counter(map(bucket_of, durations)).items():
        yield f"buckets.{bucket}", count


def _increment(minute: int, series: Series, inc: Mapping[str, float]) -> dict[str, Any]:
    method, route, status_class = series
    key = {
        "minute": EPOCH + minute * MINUTE,
        "method": method,
        "route": plain(route, MAX_NAME),
        "status_class": status_class,
    }
    # A list, since in a BSON document handled by MongoDB's tools "buckets.7" would read as a path.
    return {"key": key, "inc": [[name, value] for name, value in inc.items()]}
