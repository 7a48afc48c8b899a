"""The Redis client of the health checks. Requests use `PipelinedConnection`."""

from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.core.errors import Unavailable
from app.core.settings import CacheSettings

TIMEOUT = 1.0
_WRITE_CHECK_KEY = "readiness-check"
_WRITE_CHECK_SECONDS = 60


class CacheUnavailable(Unavailable):
    slug, title = "cache-unavailable", "Cache unavailable"
    description = "The cache does not respond."


class RedisClient:
    """A pool of connections, which are opened on first use. Redis may lose all its data at any time."""

    def __init__(self, settings: CacheSettings) -> None:
        self._client = Redis.from_url(
            settings.redis_url.get_secret_value(), socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT
        )

    async def ping(self) -> None:
        """Raise CacheUnavailable unless the server responds."""
        try:
            await self._client.ping()
        except (RedisError, OSError, TimeoutError) as error:
            raise CacheUnavailable from error

    async def check_writable(self) -> None:
        """Store a key that expires. Raises CacheUnavailable if the server refuses writes, e.g. with a full disk."""
        try:
            await self._client.set(_WRITE_CHECK_KEY, 1, ex=_WRITE_CHECK_SECONDS)
        except (RedisError, OSError, TimeoutError) as error:
            raise CacheUnavailable from error

    async def read_version(self) -> str:
        """Return the version of the server. Raises CacheUnavailable."""
        try:
            info = await self._client.info("server")
        except (RedisError, OSError, TimeoutError) as error:
            raise CacheUnavailable from error
        return str(info.get("valkey_version") or info["redis_version"])

    async def close(self) -> None:
        await self._client.aclose()
