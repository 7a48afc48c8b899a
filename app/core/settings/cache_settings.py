"""Settings of Redis and of the response cache."""

from pydantic import BaseModel, PositiveInt, SecretStr


class CacheSettings(BaseModel):
    """The address of Redis, and the limits of the response cache."""

    redis_url: SecretStr = SecretStr("")
    cache_enabled: bool = True
    cache_ttl_seconds: PositiveInt = 60
    cache_timeout_ms: PositiveInt = 50
