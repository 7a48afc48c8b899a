"""Queries on the request log and the metrics, limited in time (QUERY_MS) and rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from app.core.observability.client_spans import current_traceparent
from app.telemetry.metrics.latency_histogram import FLOOR_MS, GAMMA, LAST_BUCKET
from app.telemetry.metrics.time_series import Point, SeriesBy, list_minutes
from app.telemetry.mongo_collections import LOGS
from app.telemetry.mongo_store import QUERY_MS, RequestLog, open_cursor, translate_query_errors

Document = dict[str, Any]
GroupBy = Literal["route", "status", "user"]
ANONYMOUS = "anonymous"
# Requests of operators and probes, which are no use of the service.
OWN_ROUTES = r"^/(ops|v1/ops|metrics|healthz|readyz)(/|$)"


class AccountActivity(NamedTuple):
    """The requests of one account in a period. `refused` counts the responses with the status 429."""

    user_id: str
    requests: int
    refused: int
    bytes_in: int
    bytes_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFilter:
    """A filter of requests. `status` is a number or a class such as `5xx`; the times are inclusive.

    `without_own` leaves out those to OWN_ROUTES, unless the filter names one of them.
    """

    since: datetime
    until: datetime
    route: str | None = None
    method: str | None = None
    status: str | None = None
    user_id: str | None = None
    request_id: str | None = None
    min_ms: float | None = None
    without_own: bool = False

    def conditions(self) -> Document:
        """Return the query without its period."""
        by_class = self.status is not None and self.status.endswith("xx")
        wanted = {
            "meta.route": self.route or ({"$not": {"$regex": OWN_ROUTES}} if self.without_own else None),
            "meta.method": self.method,
            "meta.status_class": self.status if by_class else None,
            "status": int(self.status) if self.status and not by_class else None,
            "user_id": self.user_id,
            "request_id": self.request_id,
            "duration_ms": None if self.min_ms is None else {"$gte": self.min_ms},
        }
        return {name: value for name, value in wanted.items() if value is not None}


async def list_requests(
    log: RequestLog, wanted: LogFilter, after: tuple[datetime, str] | None, limit: int
) -> list[Any]:
    """Return at most `limit` documents, newest first (time, then event id), after that position.

    MongoDB gives the newest of a time series without sorting all of it only if it sorts by time alone. Requests of the
    same millisecond then come in any order, so those of the last one are read again, in the order of their ids.
    """
    until = min(wanted.until, after[0]) if after else wanted.until
    query = wanted.conditions() | {"time": {"$gte": wanted.since, "$lte": until}} | _after(after)
    async with translate_query_errors():
        logs = log.database[LOGS]
        rows = (
            await logs.find(query, comment=current_traceparent())
            .sort("time", -1)
            .limit(limit)
            .max_time_ms(QUERY_MS)
            .to_list(limit)
        )
        if len(rows) == limit:
            last = rows[-1]["time"]
            ties = (
                logs.find(query | {"time": last}, comment=current_traceparent())
                .sort("_id", -1)
                .limit(limit)
                .max_time_ms(QUERY_MS)
            )
            rows = [row for row in rows if row["time"] > last] + await ties.to_list(limit)
    return sorted(rows, key=lambda row: (row["time"], row["_id"]), reverse=True)[:limit]


def _after(position: tuple[datetime, str] | None) -> Document:
    if position is None:
        return {}
    time, event_id = position
    return {"$or": [{"time": {"$lt": time}}, {"time": time, "_id": {"$lt": event_id}}]}


async def list_slowest(log: RequestLog, wanted: LogFilter, limit: int) -> list[Any]:
    """Return at most `limit` documents, slowest first. Cheap only where `min_ms` leaves few of them."""
    query = wanted.conditions() | {"time": {"$gte": wanted.since, "$lte": wanted.until}}
    async with translate_query_errors():
        found = (
            log.database[LOGS]
            .find(query, comment=current_traceparent())
            .sort("duration_ms", -1)
            .limit(limit)
            .max_time_ms(QUERY_MS)
        )
        rows: list[Any] = await found.to_list(limit)
    return rows


async def find_request(log: RequestLog, event_id: str, time: datetime) -> Any | None:
    """Return one document, found by its time."""
    async with translate_query_errors():
        return await log.database[LOGS].find_one({"time": time, "_id": event_id}, max_time_ms=QUERY_MS)


async def list_metrics(
    log: RequestLog,
    since: datetime,
    until: datetime,
    step_minutes: int,
    group_by: GroupBy | SeriesBy,
    limit: int,
    *,
    without_own: bool = False,
) -> list[Point]:
    """Return at most `limit` points of [since, until), by time, then group; the minute of `since` counts whole.

    By route, status or series (status class, method and route, with spaces between) they come from the minutes of the
    metrics, by user from the request log itself. `without_own` leaves out OWN_ROUTES.
    """
    since = since.replace(second=0, microsecond=0)
    own = {"$not": {"$regex": OWN_ROUTES}}
    if group_by != "user":
        condition = {"minute": {"$gte": since, "$lt": until}} | ({"route": own} if without_own else {})
        return await list_minutes(log, condition, timedelta(minutes=step_minutes), group_by, limit)
    condition = {"time": {"$gte": since, "$lt": until}} | ({"meta.route": own} if without_own else {})
    pipeline = [{"$match": condition}, *_logs_by_bucket(step_minutes), *_points(limit)]
    async with translate_query_errors():
        logs = log.database[LOGS]
        cursor = await open_cursor(logs.aggregate(pipeline, maxTimeMS=QUERY_MS, comment=current_traceparent()))
        rows = await cursor.to_list(limit)
    return [_point(row) for row in rows]


async def list_busiest_accounts(log: RequestLog, since: datetime, until: datetime, limit: int) -> list[AccountActivity]:
    """Return the accounts with the most requests in the period. Raises QueryTooCostly, TelemetryUnavailable."""
    pipeline: list[Document] = [
        {
            "$match": {
                "time": {"$gte": since, "$lt": until},
                "meta.route": {"$not": {"$regex": OWN_ROUTES}},
                "user_id": {"$exists": True},
            }
        },
        {
            "$group": {
                "_id": "$user_id",
                "requests": {"$sum": 1},
                "refused": {"$sum": {"$cond": [{"$eq": ["$status", 429]}, 1, 0]}},
                "bytes_in": {"$sum": "$bytes_in"},
                "bytes_out": {"$sum": "$bytes_out"},
            }
        },
        {"$sort": {"requests": -1, "_id": 1}},
        {"$limit": limit},
    ]
    async with translate_query_errors():
        logs = log.database[LOGS]
        cursor = await open_cursor(logs.aggregate(pipeline, maxTimeMS=QUERY_MS, comment=current_traceparent()))
        rows = await cursor.to_list(limit)
    return [
        AccountActivity(row["_id"], row["requests"], row["refused"], row["bytes_in"], row["bytes_out"]) for row in rows
    ]


def _logs_by_bucket(step_minutes: int) -> list[Document]:
    logarithm = {"$divide": [{"$ln": {"$divide": ["$duration_ms", FLOOR_MS]}}, {"$ln": GAMMA}]}
    bucket = {"$cond": [{"$lte": ["$duration_ms", FLOOR_MS]}, 0, {"$min": [LAST_BUCKET, {"$ceil": logarithm}]}]}
    return [
        {
            "$group": {
                "_id": {
                    "start": {"$dateTrunc": {"date": "$time", "unit": "minute", "binSize": step_minutes}},
                    "group": {"$ifNull": ["$user_id", ANONYMOUS]},
                    "bucket": {"$toString": {"$toInt": bucket}},
                },
                "count": {"$sum": 1},
                "errors": {"$sum": {"$cond": [{"$gte": ["$status", 500]}, 1, 0]}},
                "bytes_in": {"$sum": "$bytes_in"},
                "bytes_out": {"$sum": "$bytes_out"},
            }
        },
    ]


def _points(limit: int) -> list[Document]:
    return [
        {
            "$group": {
                "_id": {"start": "$_id.start", "group": "$_id.group"},
                **{field: {"$sum": f"${field}"} for field in ("count", "errors", "bytes_in", "bytes_out")},
                "buckets": {"$push": {"k": "$_id.bucket", "v": "$count"}},
            }
        },
        {"$sort": {"_id.start": 1, "_id.group": 1}},
        {"$limit": limit},
    ]


def _point(row: Mapping[str, Any]) -> Point:
    sums = (row["count"], row["errors"], row["bytes_in"], row["bytes_out"])
    buckets = {int(bucket["k"]): bucket["v"] for bucket in row["buckets"]}
    return Point(row["_id"]["start"], row["_id"]["group"], *sums, buckets)
