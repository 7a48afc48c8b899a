"""Opens the backends, passes them to the requests as `Container`, and closes them in reverse order."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, TypedDict

from fastapi import FastAPI

from app.cache.redis_client import RedisClient
from app.cache.script_runner import ScriptRunner
from app.core.errors import AppError
from app.core.observability.logging import get_logger
from app.core.observability.outages import OutageLog
from app.core.pagination import CursorSigner
from app.core.settings import Settings
from app.db.database import Database
from app.http.container import Container
from app.ratelimit.rate_limiter import RateLimiter
from app.storage.object_store import ObjectStore
from app.storage.request_spans import make_trace_config
from app.telemetry.recording.recorder import Recorder

if TYPE_CHECKING:
    from app.telemetry.otlp.otlp_export import OtlpExport

logger = get_logger(__name__)

BUCKET_RETRY_SECONDS = 2
WARM_UP_SECONDS = 3
WARM_CONNECTIONS = 4


class State(TypedDict):
    """The state that Starlette copies into each request."""

    container: Container


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
            await _warm_up(container.database, settings)
            if export:
                export.observe(container.recorder.registry)
            _run_in_background(stack, _make_bucket(container.object_store))
            yield {"container": container}

    return lifespan


async def _open(settings: Settings, stack: AsyncExitStack, export: "OtlpExport | None") -> Container:
    database = Database(settings)
    stack.push_async_callback(database.close)
    object_store = ObjectStore(settings, [make_trace_config(export.client_spans)] if export else ())
    stack.push_async_callback(object_store.close)
    redis = RedisClient(settings)
    stack.push_async_callback(redis.close)
    scripts = ScriptRunner(settings)
    stack.push_async_callback(scripts.close)
    recorder = Recorder(settings, listeners=[export.command_spans] if export else ())
    gauge = recorder.registry.gauge
    gauge("imts_db_connections_in_use", "Pooled connections at work", database.connections_in_use)
    gauge("imts_db_connections_limit", "Connections that the pools may open", lambda: settings.database_connections)
    await recorder.start()
    stack.push_async_callback(recorder.close)
    secret = settings.jwt_secret.get_secret_value()
    return Container(
        settings=settings,
        database=database,
        object_store=object_store,
        redis=redis,
        recorder=recorder,
        cursors=CursorSigner(secret, settings.previous_secrets),
        limits=RateLimiter(scripts, secret),
    )


def _run_in_background(stack: AsyncExitStack, job: "asyncio._CoroutineLike[None]") -> None:
    task = asyncio.create_task(job)

    async def stop() -> None:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    stack.push_async_callback(stop)


async def _warm_up(database: Database, settings: Settings) -> None:
    """Open connections before the first request."""
    with contextlib.suppress(AppError, TimeoutError):
        async with asyncio.timeout(WARM_UP_SECONDS):
            await database.warm_up(min(WARM_CONNECTIONS, settings.database_pool_size))


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
