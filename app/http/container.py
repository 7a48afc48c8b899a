"""The typed container of the backends that the lifespan passes to the requests."""

from dataclasses import dataclass, field

from starlette.requests import HTTPConnection

from app.cache.redis_client import RedisClient
from app.cache.response_cache import ResponseCache
from app.core.concurrency import SingleFlight
from app.core.pagination import CursorSigner
from app.core.passwords import PasswordHasher
from app.core.security import AccessTokens, RefreshTokens
from app.core.settings import Settings
from app.db.database import Database
from app.http.request_queues import Queues
from app.http.shutdown_state import ShutdownState
from app.mail.outbox import Outbox
from app.media.decoder_pool import DecoderPool
from app.ratelimit.rate_limiter import RateLimiter
from app.search.executor import SearchEngine
from app.storage.object_store import ObjectStore
from app.telemetry.recording.recorder import Recorder


@dataclass(frozen=True, slots=True)
class Container:
    """The open backends, and the objects that depend on the settings only."""

    settings: Settings
    database: Database
    object_store: ObjectStore
    decoders: DecoderPool
    # The thumbnails in progress.
    renditions: SingleFlight[None]
    redis: RedisClient
    response_cache: ResponseCache
    recorder: Recorder
    cursors: CursorSigner
    passwords: PasswordHasher
    access_tokens: AccessTokens
    refresh_tokens: RefreshTokens
    limits: RateLimiter
    queues: Queues
    search: SearchEngine
    outbox: Outbox
    shutdown: ShutdownState = field(default_factory=ShutdownState)


def container_of(connection: HTTPConnection) -> Container:
    """Return the container that the lifespan opened."""
    container: Container = connection.scope["state"]["container"]
    return container
