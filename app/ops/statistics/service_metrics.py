"""Registers the metrics of the backends, the queues and the stored data. The recorder has those of the requests."""

from dataclasses import fields
from functools import partial

from app.http.container import Container
from app.http.request_queues import Queues
from app.ops.statistics.repository import ServiceStatistics
from app.ops.statistics.statistics_refresh import StatisticsRefresh
from app.telemetry.metrics.prometheus_exposition import Registry

DECODE_DURATION = "imts_decode_duration_seconds"
# The names and help texts of the statistics, by their fields.
STATISTICS = {
    "images": ("imts_images", "Stored images, without the trash"),
    "image_bytes": ("imts_image_bytes", "Size of the stored images"),
    "trashed_images": ("imts_trashed_images", "Images in the trash"),
    "trashed_bytes": ("imts_trashed_bytes", "Size of the images in the trash"),
    "users": ("imts_users", "Accounts"),
    "open_uploads": ("imts_open_uploads", "Resumable uploads that are not complete"),
    "orphaned_objects": ("imts_orphaned_objects", "Objects that the sweeper deletes after the grace period"),
}


def register_metrics(container: Container) -> None:
    """Register the metrics that every worker reads from its own objects."""
    registry = container.recorder.registry
    _register_backends(registry, container)
    _register_queues(registry, container.queues)
    for task, durations in container.decoders.durations.items():
        registry.histogram(f'{DECODE_DURATION}{{task="{task}"}}', "Time of the jobs of the decoders", durations)
    steps = container.search.steps
    for name in steps:
        counter = f'imts_search_steps_total{{strategy="{name}"}}'
        registry.counter(counter, "Steps of searches", partial(steps.__getitem__, name))


def register_statistics(registry: Registry, statistics: StatisticsRefresh) -> None:
    """Register the statistics, which all workers share."""
    for field in ServiceStatistics._fields:
        registry.shared_gauge(*STATISTICS[field], partial(_latest, statistics, field))


def _latest(statistics: StatisticsRefresh, field: str) -> float | None:
    return None if statistics.latest is None else getattr(statistics.latest, field)


def _register_backends(registry: Registry, container: Container) -> None:
    database, cache, settings = container.database, container.response_cache, container.settings
    gauge = registry.gauge
    gauge("imts_db_connections_in_use", "Pooled connections at work", database.connections_in_use)
    gauge("imts_db_connections_limit", "Connections that the pools may open", lambda: settings.database_connections)
    gauge("imts_cache_enabled_workers", "Workers that use their cache", lambda: cache.is_usable)
    gauge(
        "imts_postgres_breaker_open",
        "Workers that refuse requests to PostgreSQL until it recovers",
        lambda: database.is_open,
    )
    gauge(
        "imts_redis_breaker_open",
        "Workers whose cache does not ask Redis",
        lambda: settings.cache_enabled and cache.is_disconnected,
    )


def _register_queues(registry: Registry, queues: Queues) -> None:
    for field in fields(queues):
        queue = getattr(queues, field.name)
        label = f'{{queue="{field.name}"}}'
        registry.gauge(f"imts_queue_length{label}", "Requests that wait for a slot", partial(getattr, queue, "length"))
        registry.gauge(f"imts_queue_slots_in_use{label}", "Requests in a slot", partial(getattr, queue, "held"))
