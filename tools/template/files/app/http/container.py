"""The typed container of the backends that the lifespan passes to the requests."""

from dataclasses import dataclass, field

from starlette.requests import HTTPConnection

from app.cache.redis_client import RedisClient
from app.core.pagination import CursorSigner
from app.core.settings import Settings
from app.db.database import Database
from app.http.shutdown_state import ShutdownState
from app.ratelimit.rate_limiter import RateLimiter
from app.storage.object_store import ObjectStore
from app.telemetry.recording.recorder import Recorder


@dataclass(frozen=True, slots=True)
class Container:
    """The open backends, and the objects that depend on the settings only."""

    settings: Settings
    database: Database
    object_store: ObjectStore
    redis: RedisClient
    recorder: Recorder
    cursors: CursorSigner
    limits: RateLimiter
    shutdown: ShutdownState = field(default_factory=ShutdownState)


def container_of(connection: HTTPConnection) -> Container:
    """Return the container that the lifespan opened."""
    container: Container = connection.state.container
    return container
