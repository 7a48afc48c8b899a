"""The connections of the commands that change stored images beside the service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from app.cache.lease import Lease
from app.cache.pipelined_connection import PipelinedConnection
from app.cache.response_cache import ResponseCache
from app.core.settings import Settings
from app.db.database import Database
from app.media.decoder_pool import DecoderPool
from app.storage.object_store import ObjectStore


class Backends(NamedTuple):
    """The database, whose changes invalidate the service's cached responses, the object store, and decoders."""

    database: Database
    object_store: ObjectStore
    decoders: DecoderPool


@asynccontextmanager
async def open_backends(settings: Settings, decoder_processes: int) -> AsyncIterator[Backends]:
    """Yield the connections; nothing is connected before it is used."""
    database, object_store = Database(settings), ObjectStore(settings)
    connection = PipelinedConnection(settings.redis_url.get_secret_value(), settings.cache_timeout_ms / 1000)
    if settings.cache_enabled:
        cache = ResponseCache(connection, Lease(database, connection), "", settings.cache_ttl_seconds)
        database.on_commit = cache.invalidate
    decoders = DecoderPool(decoder_processes, settings.max_image_pixels, settings.storage_port)
    try:
        yield Backends(database, object_store, decoders)
    finally:
        await decoders.close()
        await connection.close()
        await object_store.close()
        await database.close()
