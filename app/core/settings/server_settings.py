"""Settings of the process and of its place in the network."""

import re
from ipaddress import ip_network
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, NonNegativeFloat, SecretStr, field_validator

from app.core.settings.setting_types import TextList

# Without white space, which `urlsplit` removes.
_NO_QUERY = re.compile(r"[^?#\s]*")
# Segments that need no escape in a header, a cookie or a page, without `.` and `..`.
_PATH_PREFIX = re.compile(r"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~-]+)*")


class ServerSettings(BaseModel):
    """The mode of the process, its log, its address and the proxies in front of it."""

    app_env: Literal["development", "production"] = "production"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    drain_delay_seconds: NonNegativeFloat = 0
    # Addresses and networks whose X-Forwarded-For is trusted.
    trusted_proxies: TextList = []
    # The address of the service as browsers see it. A proxy removes its path from each request.
    public_url: str = "http://127.0.0.1:8000"
    cors_origins: TextList = []
    metrics_token: SecretStr | None = None
    # The pages that show the images. Without them, `/` is a small page that links to the documentation.
    gallery: bool = True
    # An https or mailto address, for /.well-known/security.txt.
    security_contact: str = Field(default="", pattern=r"^((https://|mailto:)[^\s]+)?$")

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, value: list[str]) -> list[str]:
        for proxy in value:
            try:
                ip_network(proxy)
            except ValueError as error:
                # With `*`, each client could choose its own address; a host name would match no address.
                msg = f"{proxy} is neither an address nor a network, such as 10.0.0.0/8"
                raise ValueError(msg) from error
        return value

    @field_validator("public_url")
    @classmethod
    def _is_address_without_query(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.netloc or not _NO_QUERY.fullmatch(value):
            raise ValueError("must be an http or https address without a query")
        if not _PATH_PREFIX.fullmatch(parts.path.rstrip("/")):
            raise ValueError("must have a path of letters, digits and `-._~` between single slashes, or none")
        return value.rstrip("/")

    @property
    def path_prefix(self) -> str:
        """The path of `PUBLIC_URL`, such as `/images-api`; empty without one."""
        return urlsplit(self.public_url).path
