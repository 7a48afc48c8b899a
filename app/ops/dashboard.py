"""Loads the data of the dashboard: rates, errors and percentiles of a window, and its slowest and failed requests."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import IntEnum

from pydantic import BaseModel

from app.ops.schemas import RequestRead
from app.telemetry.log_queries import LogFilter, list_metrics, list_requests, list_slowest
from app.telemetry.metrics.latency_histogram import percentile, slowest_bound
from app.telemetry.metrics.time_series import Point, step_start
from app.telemetry.mongo_store import RequestLog


class WindowMinutes(IntEnum):
    """The length of a window. Members of a Literal would not be converted from the text of a query."""

    QUARTER = 15
    HOUR = 60
    SIX_HOURS = 360
    DAY = 1440


# {minutes of the window: minutes of a step}.
WINDOWS = {WindowMinutes.QUARTER: 1, WindowMinutes.HOUR: 1, WindowMinutes.SIX_HOURS: 5, WindowMinutes.DAY: 30}
MAX_POINTS = 20_000
ROWS = 12
# A shorter step has no rate, because it would show as a false peak or gap.
_MIN_SECONDS = 15.0


class Chart(BaseModel):
    """Columns of one length: each step's start (seconds since 1970), rates per second, percentiles in milliseconds."""

    time: list[float]
    rate: list[float | None]
    client_errors: list[int]
    server_errors: list[int]
    p50_ms: list[float | None]
    p95_ms: list[float | None]
    p99_ms: list[float | None]


class Totals(BaseModel):
    """The totals of a series over the window. The name is method and route."""

    name: str
    count: int
    client_errors: int
    server_errors: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


class DashboardData(BaseModel):
    """A snapshot of the service. `rate` is the requests per second of the last one to two steps."""

    until: datetime
    rate: float
    total: Totals
    chart: Chart
    routes: list[Totals]
    slow: list[RequestRead]
    failed: list[RequestRead]


@dataclass(slots=True)
class _Sum:
    count: int = 0
    client_errors: int = 0
    server_errors: int = 0
    buckets: Counter[int] = field(default_factory=Counter)

    def add(self, status_class: str, point: Point) -> None:
        self.count += point.count
        self.server_errors += point.errors
        self.client_errors += point.count if status_class == "4xx" else 0
        self.buckets.update(point.buckets)

    def percentiles(self) -> dict[str, float | None]:
        return {f"p{percent}_ms": percentile(self.buckets, percent) for percent in (50, 95, 99)}


async def load_dashboard(
    log: RequestLog, minutes: WindowMinutes, route: str | None, *, own: bool, with_4xx: bool
) -> DashboardData:
    """Return the data of the last `minutes`. With a `route` ("GET /v1/tags"), chart and lists show only that route.

    `own` includes the requests of operators and probes. `with_4xx` includes every 4xx in the failed requests. The
    default is only 429, because scanners cause most of the others.
    """
    now = datetime.now(UTC)
    step = timedelta(minutes=WINDOWS[minutes])
    starts = _starts(now - timedelta(minutes=minutes), now, step)
    points = await list_metrics(log, starts[0], now, WINDOWS[minutes], "series", MAX_POINTS, without_own=not own)
    total, by_start, by_name = _added_up(points, route)
    method, _, template = (route or "").partition(" ")
    wanted = LogFilter(since=starts[0], until=now, method=method or None, route=template or None, without_own=not own)
    slow = replace(wanted, min_ms=slowest_bound(total.buckets, ROWS))
    return DashboardData(
        until=now,
        rate=_rate_now(by_start, starts, now, step),
        total=_totals(route or "", total),
        chart=_chart(by_start, starts, now, step),
        routes=sorted((_totals(*one) for one in by_name.items()), key=lambda one: one.count, reverse=True),
        slow=[RequestRead.of(row) for row in await list_slowest(log, slow, ROWS)] if total.count else [],
        failed=await _failed(log, wanted, ("5xx", "4xx") if with_4xx else ("5xx", "429")),
    )


async def _failed(log: RequestLog, wanted: LogFilter, classes: Iterable[str]) -> list[RequestRead]:
    """Return ROWS requests at most, the newest of each class in the order of the classes. No 404s hide a 500."""
    found: list[RequestRead] = []
    for status in classes:
        rows = await list_requests(log, replace(wanted, status=status), None, ROWS)
        found += [RequestRead.of(row) for row in rows]
    return found[:ROWS]


def _starts(since: datetime, until: datetime, step: timedelta) -> list[datetime]:
    """Return the starts of all steps. The first step is complete."""
    first = step_start(since, step)
    return [first + index * step for index in range(-(-(until - first) // step))]


def _added_up(points: Iterable[Point], route: str | None) -> tuple[_Sum, dict[datetime, _Sum], dict[str, _Sum]]:
    """Return the sums in total, by start, and by name. A `route` restricts the first two."""
    total, by_start, by_name = _Sum(), dict[datetime, _Sum](), dict[str, _Sum]()
    for point in points:
        status_class, _, name = point.group.partition(" ")
        by_name.setdefault(name, _Sum()).add(status_class, point)
        if route in (None, name):
            total.add(status_class, point)
            by_start.setdefault(point.start, _Sum()).add(status_class, point)
    return total, by_start, by_name


def _chart(by_start: Mapping[datetime, _Sum], starts: list[datetime], now: datetime, step: timedelta) -> Chart:
    nothing = _Sum()
    sums = [by_start.get(start, nothing) for start in starts]
    percentiles = [one.percentiles() for one in sums]
    seconds = [min(step, now - start).total_seconds() for start in starts]
    return Chart(
        time=[start.timestamp() for start in starts],
        rate=[_rate(one.count, length) for one, length in zip(sums, seconds, strict=True)],
        client_errors=[one.client_errors for one in sums],
        server_errors=[one.server_errors for one in sums],
        p50_ms=[one["p50_ms"] for one in percentiles],
        p95_ms=[one["p95_ms"] for one in percentiles],
        p99_ms=[one["p99_ms"] for one in percentiles],
    )


def _rate(count: int, seconds: float) -> float | None:
    return None if seconds < _MIN_SECONDS else round(count / seconds, 3)


def _rate_now(by_start: Mapping[datetime, _Sum], starts: list[datetime], now: datetime, step: timedelta) -> float:
    """Return the requests per second since the start of the step before this one."""
    since = starts[-2:]
    count = sum(by_start[start].count for start in since if start in by_start)
    return round(count / max(step, now - since[0]).total_seconds(), 3)


def _totals(name: str, one: _Sum) -> Totals:
    return Totals(
        name=name,
        count=one.count,
        client_errors=one.client_errors,
        server_errors=one.server_errors,
        **one.percentiles(),
    )
