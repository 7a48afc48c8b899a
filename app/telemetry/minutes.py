"""What a batch of records adds to the metrics: one sum per minute, method, route and status class."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from app.telemetry.histogram import bucket_of
from app.telemetry.record import MAX_NAME, RequestRecord
from app.telemetry.redaction import plain

MINUTE = timedelta(minutes=1)


@dataclass(slots=True)
class Sums:
    """The sums of one series in one minute. An error is a 5xx: the service's fault, not the client's."""

    count: int = 0
    errors: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    duration_ms: float = 0.0
    buckets: Counter[int] = field(default_factory=Counter)

    def add(self, record: RequestRecord) -> None:
        """Add one request."""
        self.count += 1
        self.errors += record.status >= 500
        self.bytes_in += record.bytes_in
        self.bytes_out += record.bytes_out
        self.duration_ms += record.duration_ms
        self.buckets[bucket_of(record.duration_ms)] += 1


class MinuteSums:
    """The sums of a batch, over all its series and minutes."""

    def __init__(self) -> None:
        self._sums: dict[tuple[datetime, str, str, str], Sums] = {}

    def add(self, records: Iterable[RequestRecord]) -> None:
        """Add these requests."""
        minute = end = datetime.min.replace(tzinfo=UTC)
        for record in records:
            # Records come nearly in order: the next one is nearly always of the same minute.
            if not minute <= record.time < end:
                minute = record.time.replace(second=0, microsecond=0)
                end = minute + MINUTE
            key = (minute, *record.series)
            sums = self._sums.get(key)
            if sums is None:
                sums = self._sums[key] = Sums()
            sums.add(record)

    def increments(self) -> list[dict[str, Any]]:
        """Return the increments as documents: `key` names the series and minute, `inc` is for MongoDB's `$inc`."""
        return [_increment(*key, sums) for key, sums in self._sums.items()]


def _increment(minute: datetime, method: str, route: str, status_class: str, sums: Sums) -> dict[str, Any]:
    inc: dict[str, Any] = {
        "count": sums.count,
        "errors": sums.errors,
        "bytes_in": sums.bytes_in,
        "bytes_out": sums.bytes_out,
        "duration_ms": round(sums.duration_ms, 3),
    }
    buckets = {f"buckets.{bucket}": count for bucket, count in sums.buckets.items()}
    key = {"minute": minute, "method": method, "route": plain(route, MAX_NAME), "status_class": status_class}
    # A list, since in a BSON document handled by MongoDB's tools "buckets.7" would read as a path.
    return {"key": key, "inc": [[name, value] for name, value in (inc | buckets).items()]}
