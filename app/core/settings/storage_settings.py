"""Settings of the object store."""

from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr, field_validator


class StorageSettings(BaseModel):
    """The address, the credentials and the bucket."""

    storage_endpoint: str = ""
    storage_access_key: str = ""
    storage_secret_key: SecretStr = SecretStr("")
    storage_bucket: str = "images"
    storage_secure: bool = False
    storage_region: str = "us-east-1"
    storage_public_endpoint: str | None = None

    @field_validator("storage_endpoint")
    @classmethod
    def _is_host(cls, value: str) -> str:
        if value and not _is_host_and_port(value):
            raise ValueError("must be host:port, without http:// and path; STORAGE_SECURE chooses https")
        return value

    @field_validator("storage_public_endpoint")
    @classmethod
    def _is_host_or_origin(cls, value: str | None) -> str | None:
        if value and not _is_host_and_port(value.removeprefix("https://").removeprefix("http://")):
            raise ValueError("must be host:port, or http:// or https:// and host:port")
        return value

    @property
    def storage_port(self) -> int:
        """The port on which the object store listens."""
        return urlsplit(f"//{self.storage_endpoint}").port or (443 if self.storage_secure else 80)


def _is_host_and_port(text: str) -> bool:
    parts = urlsplit(f"//{text}")
    return parts.netloc == text and bool(parts.hostname) and (parts.port is None or parts.port > 0)
