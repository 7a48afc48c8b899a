"""Creates the collections of telemetry, their indexes and the view, and applies the configured retention.

The time-series collection of the request log expires as a whole after the longest time of any status class. A partial
TTL index on `meta.status_class` expires a class earlier, which MongoDB supports from version 7.0 on.
"""

from collections.abc import Mapping
from typing import Any

from pymongo.errors import OperationFailure

from app.core.observability.logging import get_logger
from app.core.settings import TelemetrySettings
from app.telemetry.errors import TelemetryUnavailable
from app.telemetry.otel_view import VIEW, view_pipeline

logger = get_logger(__name__)

LOGS = "request_logs"
METRICS = "request_metrics"
AUDIT = "audit_events"
_DAY = 24 * 3600
_TIME_SERIES = {"timeField": "time", "metaField": "meta", "granularity": "seconds"}
_TTL_PREFIX = "ttl_"
_EXISTS, _CONFLICTING_OPTIONS = 48, 85
STATUS_CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")


class CollectionSetup:
    """Prepares a database of telemetry. Every worker does, at each connection."""

    def __init__(self, settings: TelemetrySettings) -> None:
        days = dict.fromkeys(STATUS_CLASSES, settings.telemetry_retention_days)
        days |= settings.telemetry_retention_days_by_status
        self._logs_seconds = max(days.values()) * _DAY
        # Of the classes that expire earlier than the collection.
        self._class_seconds = {
            status_class: class_days * _DAY
            for status_class, class_days in days.items()
            if class_days * _DAY < self._logs_seconds
        }
        self._metrics_seconds = settings.telemetry_metrics_retention_days * _DAY

    async def run(self, database: Any) -> None:
        """Create missing collections; apply the retention to all. Raises PyMongoError, TelemetryUnavailable."""
        await self._ensure_time_series(database)
        await _ensure_index(database, METRICS, {"minute": 1}, "minute_ttl", expireAfterSeconds=self._metrics_seconds)
        await database[LOGS].create_index([("meta.route", 1), ("time", -1)], name="route_time")
        await database[METRICS].create_index([("route", 1), ("minute", 1)], name="route_minute")
        await database[AUDIT].create_index([("at", -1)], name="newest")
        # The records are stored without these, too.
        for part in (self._ensure_class_retention, _ensure_view):
            try:
                await part(database)
            except OperationFailure as error:
                logger.warning("request log not prepared completely", part=part.__name__, error=error, code=error.code)

    async def _ensure_time_series(self, database: Any) -> None:
        seconds = self._logs_seconds
        try:
            await database.command({"create": LOGS, "timeseries": _TIME_SERIES, "expireAfterSeconds": seconds})
        except OperationFailure as error:
            if error.code != _EXISTS:
                raise
            found = await database.list_collections(filter={"name": LOGS})
            if (await found.to_list(1))[0]["type"] != "timeseries":
                raise TelemetryUnavailable(f"{LOGS} exists and is no time-series collection: rename it") from error
            await database.command({"collMod": LOGS, "expireAfterSeconds": seconds})

    async def _ensure_class_retention(self, database: Any) -> None:
        """Create, change and drop the TTL indexes of the status classes."""
        wanted = {f"{_TTL_PREFIX}{status_class}": status_class for status_class in self._class_seconds}
        for name in await database[LOGS].index_information():
            if name.startswith(_TTL_PREFIX) and name not in wanted:
                await database[LOGS].drop_index(name)
        for name, status_class in wanted.items():
            await _ensure_index(
                database,
                LOGS,
                {"time": 1},
                name,
                partialFilterExpression={"meta.status_class": status_class},
                expireAfterSeconds=self._class_seconds[status_class],
            )


async def _ensure_index(database: Any, collection: str, keys: Mapping[str, int], name: str, **options: Any) -> None:
    """Create a TTL index, or change the time of the existing one."""
    try:
        await database[collection].create_index(list(keys.items()), name=name, **options)
    except OperationFailure as error:
        if error.code != _CONFLICTING_OPTIONS:
            raise
        index = {"name": name, "expireAfterSeconds": options["expireAfterSeconds"]}
        await database.command({"collMod": collection, "index": index})


async def _ensure_view(database: Any) -> None:
    """Create the view, or replace that of an earlier version."""
    view = {"viewOn": LOGS, "pipeline": view_pipeline()}
    try:
        await database.command({"create": VIEW, **view})
    except OperationFailure as error:
        if error.code != _EXISTS:
            raise
        await database.command({"collMod": VIEW, **view})
