"""What the lifespan hands over to the requests, typed."""

from dataclasses import dataclass, field

from starlette.requests import HTTPConnection

from app.cache.answers import AnswerCache
from app.cache.rate_limits import RateLimits
from app.cache.redis import Cache
from app.core.pagination import CursorSigner
from app.core.passwords import PasswordHasher
from app.core.security import AccessTokens, RefreshTokens
from app.core.settings import Settings
from app.core.single_flight import SingleFlight
from app.db.session import Database
from app.decoding.pool import Decoders
from app.http.drain import Drain
from app.http.queues import Queues
from app.mail.outbox import Outbox
from app.storage.object_store import ObjectStore
from app.telemetry.recorder import Recorder


@dataclass(frozen=True, slots=True)
class Services:
    """The open backends and what is made once from the settings."""

    settings: Settings
    database: Database
    object_store: ObjectStore
    decoders: Decoders
    # The thumbnails that are being made.
    renditions: SingleFlight[None]
    cache: Cache
    answers: AnswerCache
    recorder: Recorder
    cursors: CursorSigner
    passwords: PasswordHasher
    access_tokens: AccessTokens
    refresh_tokens: RefreshTokens
    limits: RateLimits
    queues: Queues
    outbox: Outbox
    drain: Drain = field(default_factory=Drain)


def services_of(connection: HTTPConnection) -> Services:
    """Return what the lifespan opened."""
    services: Services = connection.state.services
    return services
