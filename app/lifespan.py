"""Opens the backends, passes them to the requests as `Container`, and closes them in reverse order."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, TypedDict

from fastapi import FastAPI

from app.audit.audit_log import SERVICE, AuditLog
from app.cache.lease import Lease
from app.cache.pipelined_connection import PipelinedConnection
from app.cache.redis_client import RedisClient
from app.cache.response_cache import ResponseCache
from app.cache.script_runner import ScriptRunner
from app.core.concurrency import SingleFlight, repeat, retry
from app.core.errors import AppError
from app.core.observability.logging import get_logger
from app.core.observability.outages import OutageLog
from app.core.pagination import CursorSigner
from app.core.passwords import PasswordHasher
from app.core.security import AccessTokens, RefreshTokens
from app.core.settings import Settings
from app.db.database import Database
from app.health.probes import probe_backends
from app.history.history_maintenance import HistoryMaintenance
from app.http.container import Container
from app.http.request_queues import Queues
from app.images.maintenance.orphan_sweeper import OrphanSweeper
from app.images.trash.purge import TrashPurge
from app.images.upload.usage_compaction import StorageUsageCompactor
from app.mail.outbox import Outbox
from app.media.decoder_pool import DecoderPool
from app.ops.statistics.service_metrics import register_metrics, register_statistics
from app.ops.statistics.statistics_refresh import StatisticsRefresh
from app.ratelimit.rate_limiter import RateLimiter
from app.search.bitmap_index.maintenance import BitmapIndexUpdater
from app.search.executor import SearchEngine
from app.storage.object_store import ObjectStore
from app.storage.request_spans import make_trace_config
from app.tags.count_compaction import TagCountCompactor
from app.telemetry.recording.recorder import Recorder
from app.uploads.appending.active_appends import ActiveAppends
from app.uploads.upload_expiry import UploadExpiry
from app.users.accounts.sign_up_mode import record_sign_up_mode
from app.users.sessions.session_cleanup import remove_expired_credentials
from app.users.social.providers import SocialProviders

if TYPE_CHECKING:
    from app.telemetry.otlp.otlp_export import OtlpExport

logger = get_logger(__name__)

BUCKET_RETRY_SECONDS = 2
DATABASE_RETRY_SECONDS = 2
WARM_UP_SECONDS = 3
WARM_CONNECTIONS = 4


class State(TypedDict):
    """The state that Starlette copies into each request."""

    container: Container
    statistics: StatisticsRefresh
    social_providers: SocialProviders
    active_appends: ActiveAppends


def make_lifespan(
    settings: Settings, export: "OtlpExport | None" = None
) -> Callable[[FastAPI], AbstractAsyncContextManager[State]]:
    """Return the lifespan of a service with these settings. It starts even if backends are down."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[State]:
        async with AsyncExitStack() as stack:
            if export:
                stack.push_async_callback(export.close)
            container = await _open(settings, stack, export)
            await _warm_up(container)
            statistics = StatisticsRefresh(container.database)
            register_statistics(container.recorder.registry, statistics)
            if export:
                export.observe(container.recorder.registry)
            audit = AuditLog(SERVICE, container.recorder.audit.add)
            sweeper = OrphanSweeper(container.database, container.object_store, settings)
            counts = TagCountCompactor(container.database, settings.tag_count_compaction_interval_seconds)
            bitmaps = BitmapIndexUpdater(container.database, settings.bitmap_index_update_interval_seconds)
            for job in (
                _await_backends(container),
                retry(
                    lambda: record_sign_up_mode(container.database, audit, settings.sign_up),
                    DATABASE_RETRY_SECONDS,
                    "sign-up mode",
                ),
                sweeper.run_forever(),
                UploadExpiry(container.database, settings).run_forever(),
                TrashPurge(container.database, settings, audit).run_forever(),
                counts.run_forever(),
                bitmaps.run_forever(),
                StorageUsageCompactor(container.database).run_forever(),
                HistoryMaintenance(container.database, settings).run_forever(),
                statistics.run_forever(),
                repeat(
                    lambda: remove_expired_credentials(container.database),
                    settings.sweep_interval_seconds,
                    "credentials",
                ),
            ):
                _run_in_background(stack, job)
            if settings.smtp_url:
                _run_in_background(stack, container.outbox.run_forever())
                stack.push_async_callback(container.outbox.close)
            social_providers = SocialProviders(settings)
            stack.push_async_callback(social_providers.close)
            yield {
                "container": container,
                "statistics": statistics,
                "social_providers": social_providers,
                "active_appends": ActiveAppends(),
            }

    return lifespan


async def _open(settings: Settings, stack: AsyncExitStack, export: "OtlpExport | None") -> Container:
    database = Database(settings)
    stack.push_async_callback(database.close)
    object_store = ObjectStore(settings, [make_trace_config(export.client_spans)] if export else ())
    stack.push_async_callback(object_store.close)
    decoders = DecoderPool(settings.decoder_processes, settings.max_image_pixels, settings.storage_port)
    stack.push_async_callback(decoders.close)
    renditions = SingleFlight[None]()
    stack.push_async_callback(renditions.close)
    redis = RedisClient(settings)
    stack.push_async_callback(redis.close)
    scripts = ScriptRunner(settings)
    stack.push_async_callback(scripts.close)
    response_cache = await _open_response_cache(settings, database, stack)
    recorder = Recorder(settings, listeners=[export.command_spans] if export else ())
    search = SearchEngine(settings.search_strategies)
    passwords = PasswordHasher()
    stack.push_async_callback(passwords.close)
    secret = settings.jwt_secret.get_secret_value()
    container = Container(
        settings=settings,
        database=database,
        object_store=object_store,
        decoders=decoders,
        renditions=renditions,
        redis=redis,
        response_cache=response_cache,
        recorder=recorder,
        cursors=CursorSigner(secret, settings.previous_secrets),
        passwords=passwords,
        access_tokens=AccessTokens(secret, settings.access_token_seconds, settings.previous_secrets),
        refresh_tokens=RefreshTokens(secret, settings.previous_secrets),
        limits=RateLimiter(scripts, secret),
        queues=Queues.of(settings),
        search=search,
        outbox=Outbox(settings),
    )
    register_metrics(container)
    await recorder.start()
    stack.push_async_callback(recorder.close)
    return container


async def _open_response_cache(settings: Settings, database: Database, stack: AsyncExitStack) -> ResponseCache:
    connection = PipelinedConnection(settings.redis_url.get_secret_value(), settings.cache_timeout_ms / 1000)
    stack.push_async_callback(connection.close)
    lease = Lease(database, connection)
    cache = ResponseCache(connection, lease, settings.jwt_secret.get_secret_value(), settings.cache_ttl_seconds)
    if settings.cache_enabled:
        database.on_commit = cache.invalidate
        _run_in_background(stack, lease.run_forever())
        await lease.wait_for_first_attempt()
    return cache


def _run_in_background(stack: AsyncExitStack, job: "asyncio._CoroutineLike[None]") -> None:
    task = asyncio.create_task(job)

    async def stop() -> None:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    stack.push_async_callback(stop)


async def _warm_up(container: Container) -> None:
    """Open connections before the first request, which reaches a new worker of a rolling restart immediately.

    Nothing else starts at the same time, because it would delay connections beyond their timeout.
    """
    with contextlib.suppress(AppError, TimeoutError):
        async with asyncio.timeout(WARM_UP_SECONDS):
            await container.database.warm_up(min(WARM_CONNECTIONS, container.settings.database_pool_size))


async def _await_backends(container: Container) -> None:
    """Create the bucket, and report the backends that are down.

    The first attempt precedes the report, because a missing bucket is not an outage on the first start.
    """
    with contextlib.suppress(AppError):
        await container.object_store.ensure_bucket()
    await _report_backends(container)
    await _make_bucket(container.object_store)


async def _report_backends(container: Container) -> None:
    """Log once which backends are down. The service starts anyway, and they may recover."""
    for name, dependency in (await probe_backends(container)).items():
        if dependency.status == "down":
            logger.warning("backend unavailable at startup, retrying in the background", backend=name)


async def _make_bucket(object_store: ObjectStore) -> None:
    """Create the bucket as soon as the object store responds."""
    outage = OutageLog(logger, "creation of the bucket")
    while True:
        try:
            await object_store.ensure_bucket()
        except AppError as error:
            outage.fail(error)
            await asyncio.sleep(BUCKET_RETRY_SECONDS)
        else:
            outage.recover()
            return
