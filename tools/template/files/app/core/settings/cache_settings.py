"""Settings of Redis."""

from pydantic import BaseModel, SecretStr


class CacheSettings(BaseModel):
    """The address of Redis."""

    redis_url: SecretStr = SecretStr("")
