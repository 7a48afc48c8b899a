"""Settings from environment variables and `.env`. Nothing else in the code reads the environment."""

import re
from functools import cached_property
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal, get_args
from urllib.parse import parse_qsl, urlencode, urlsplit

from pydantic import AliasChoices, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.core.identity_providers import IdentityProviders
from app.core.rate_limit import RateLimitSettings

# The prefix of every secret in docker-local.env, which distinguishes published secrets from real ones.
EXAMPLE_SECRET_PREFIX = "docker-local-"  # noqa: S105 - not a secret: the mark of one that is public
MIN_JWT_SECRET_LENGTH = 32
_MIB = 1024 * 1024
# Without white space, which `urlsplit` removes.
_NO_QUERY = re.compile(r"[^?#\s]*")
# Segments that need no escape in a header, a cookie or a page, without `.` and `..`.
_PATH_PREFIX = re.compile(r"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~-]+)*")
SearchStrategy = Literal["ordered_scan", "fetch_and_sort", "range_fetch", "name_index_scan", "bitmap_scan"]


def _renamed(old: str, new: str) -> AliasChoices:
    """Accept a setting under its old name too; version 2.0 removes the old names."""
    return AliasChoices(new, old)


class Settings(BaseSettings):
    """The environment variable of a field is its name in capitals."""

    model_config = SettingsConfigDict(env_file=".env", env_file_encoding="utf-8", env_ignore_empty=True, extra="ignore")

    app_env: Literal["development", "production"] = "production"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    drain_delay_seconds: Annotated[float, Field(ge=0)] = 0

    database_url: SecretStr = SecretStr("")
    database_replica_url: SecretStr = SecretStr("")
    database_pool_size: Annotated[int, Field(ge=1)] = 20
    database_max_overflow: Annotated[int, Field(ge=0)] = 0
    database_search_pool_size: Annotated[int, Field(ge=1)] = 5

    mongo_url: SecretStr = SecretStr("")
    redis_url: SecretStr = SecretStr("")
    cache_enabled: bool = True
    cache_ttl_seconds: Annotated[int, Field(ge=1)] = 60
    cache_timeout_ms: Annotated[int, Field(ge=1)] = 50

    storage_endpoint: str = ""
    storage_access_key: str = ""
    storage_secret_key: SecretStr = SecretStr("")
    storage_bucket: str = "images"
    storage_secure: bool = False
    storage_region: str = "us-east-1"
    storage_public_endpoint: str | None = None

    jwt_secret: SecretStr = SecretStr("")
    access_token_seconds: Annotated[int, Field(ge=1)] = 15 * 60
    refresh_token_seconds: Annotated[int, Field(ge=1)] = 30 * 24 * 3600
    # Comma-separated: used to verify existing tokens, never to sign new ones.
    jwt_previous_secrets: SecretStr = SecretStr("")
    login_limits: RateLimitSettings = RateLimitSettings(account="10/minute", address="120/minute", total="1200/minute")
    sign_up_limits: RateLimitSettings = RateLimitSettings(account="10/minute", address="120/minute", total="600/minute")
    refresh_limits: RateLimitSettings = RateLimitSettings(
        account="60/minute", address="600/minute", total="60000/minute"
    )
    upload_limits: RateLimitSettings = RateLimitSettings(
        account="3000/minute", address="6000/minute", total="60000/minute"
    )
    search_limits: RateLimitSettings = RateLimitSettings(
        account="6000/minute", address="12000/minute", total="120000/minute"
    )
    new_tag_limits: RateLimitSettings = RateLimitSettings(account="2000/hour", address="4000/hour", total="20000/hour")
    mail_limits: RateLimitSettings = RateLimitSettings(account="5/hour", address="30/hour", total="2000/hour")
    smtp_url: SecretStr | None = None
    mail_from: str = ""
    sign_up: Literal["open", "invite", "closed"] = "open"
    max_api_keys_per_user: Annotated[int, Field(ge=1)] = 50
    # Addresses and networks whose X-Forwarded-For is trusted.
    trusted_proxies: Annotated[list[str], NoDecode] = []
    # The address of the service as browsers see it. A proxy removes its path from each request.
    public_url: str = "http://127.0.0.1:8000"
    social_providers: IdentityProviders = {}

    cors_origins: Annotated[list[str], NoDecode] = []
    anonymous_upload: bool = False
    max_upload_bytes: Annotated[int, Field(ge=1)] = 100 * _MIB
    max_bytes_per_user: Annotated[int, Field(ge=0)] | None = None
    max_image_pixels: Annotated[int, Field(ge=1)] = 100_000_000
    # Applies to JPEG, PNG and WebP; GIF, AVIF and HEIC are delivered unchanged.
    strip_metadata: bool = False
    search_timeout_ms: Annotated[int, Field(ge=1)] = 3000
    search_strategies: Annotated[list[SearchStrategy], NoDecode] = list(get_args(SearchStrategy))
    # For each account (anonymous: each address) in each worker. Further searches wait.
    search_concurrency_per_client: Annotated[
        int, Field(ge=1, validation_alias=_renamed("searches_at_once", "search_concurrency_per_client"))
    ] = 1
    tag_count_compaction_interval_seconds: Annotated[
        float,
        Field(gt=0, validation_alias=_renamed("tag_count_interval_seconds", "tag_count_compaction_interval_seconds")),
    ] = 1.0
    bitmap_index_update_interval_seconds: Annotated[
        float,
        Field(gt=0, validation_alias=_renamed("tag_bitmap_interval_seconds", "bitmap_index_update_interval_seconds")),
    ] = 10.0
    upload_concurrency_per_client: Annotated[
        int, Field(ge=1, validation_alias=_renamed("uploads_at_once", "upload_concurrency_per_client"))
    ] = 8
    upload_memory_bytes: Annotated[int, Field(ge=1)] = 160 * _MIB
    upload_idle_seconds: Annotated[float, Field(gt=0)] = 30
    upload_min_bytes_per_second: Annotated[int, Field(ge=0)] = 512
    decoder_processes: Annotated[int, Field(ge=1)] = 2
    orphan_grace_seconds: Annotated[
        int, Field(ge=1, validation_alias=_renamed("doomed_grace_seconds", "orphan_grace_seconds"))
    ] = 3600
    sweep_interval_seconds: Annotated[float, Field(gt=0)] = 300

    metrics_token: SecretStr | None = None
    telemetry_queue_size: Annotated[int, Field(ge=1)] = 10_000
    telemetry_flush_seconds: Annotated[float, Field(gt=0)] = 1.0
    telemetry_retention_days: Annotated[int, Field(ge=1)] = 30
    telemetry_metrics_retention_days: Annotated[int, Field(ge=1)] = 400
    telemetry_spill_dir: Path = Path(".imts/telemetry")
    telemetry_spill_max_bytes: Annotated[int, Field(ge=1)] = 256 * _MIB
    telemetry_personal_data: Literal["keep", "hash", "drop"] = "keep"
    telemetry_logged_query_params: Annotated[
        str, Field(validation_alias=_renamed("telemetry_query_values", "telemetry_logged_query_params"))
    ] = ""  # names of query parameters, comma-separated

    @field_validator("cors_origins", "trusted_proxies", "search_strategies", mode="before")
    @classmethod
    def _split_list(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("search_strategies")
    @classmethod
    def _have_basic_strategies(cls, value: list[SearchStrategy]) -> list[SearchStrategy]:
        if missing := {"ordered_scan", "fetch_and_sort"} - set(value):
            raise ValueError(f"{' and '.join(sorted(missing))} cannot be switched off")
        return value

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

    @field_validator("database_url", "database_replica_url")
    @classmethod
    def _is_postgres(cls, value: SecretStr) -> SecretStr:
        scheme = urlsplit(value.get_secret_value()).scheme
        if scheme not in ("", "postgresql", "postgres", "postgresql+asyncpg"):
            msg = f"must start with postgresql://, not {scheme}://"
            raise ValueError(msg)
        names = {name for name, _ in _parameters(value)}
        if unknown := names - _PARAMETERS.keys():
            msg = f"takes {', '.join(_PARAMETERS)} after the question mark, not {', '.join(sorted(unknown))}"
            raise ValueError(msg)
        return value

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

    @field_validator("smtp_url")
    @classmethod
    def _is_smtp(cls, value: SecretStr | None) -> SecretStr | None:
        parts = urlsplit(value.get_secret_value() if value else "smtp://host")
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname or parts.path.strip("/") or parts.query:
            raise ValueError("must be smtp://host:port or smtps://host:port, with user:password@ where it is needed")
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

    @property
    def database_connections(self) -> int:
        """The maximum number of pooled PostgreSQL connections of a worker. The service itself uses one more."""
        return self.database_pool_size + self.database_max_overflow + self.database_search_pool_size

    @property
    def storage_port(self) -> int:
        """The port on which the object store listens."""
        return urlsplit(f"//{self.storage_endpoint}").port or (443 if self.storage_secure else 80)

    @property
    def previous_secrets(self) -> list[str]:
        """The secrets that verify tokens of before a rotation."""
        return [one.strip() for one in self.jwt_previous_secrets.get_secret_value().split(",") if one.strip()]

    @cached_property
    def sqlalchemy_url(self) -> str:
        """`DATABASE_URL` with the name of the async driver, as SQLAlchemy needs it. psql takes the setting itself."""
        return _with_driver(self.database_url)

    @cached_property
    def sqlalchemy_replica_url(self) -> str:
        """`DATABASE_REPLICA_URL` with the name of the async driver; empty if it is not set."""
        return _with_driver(self.database_replica_url) if self.database_replica_url.get_secret_value() else ""

    def missing(self, *names: str) -> list[str]:
        """Return one line for each of these settings that is not set."""
        return [f"{name} is not set" for name in names if not _plain(self, name)]

    def validation_errors(self) -> list[str]:
        """Return one line for each error of the configuration. Production also refuses published secrets."""
        missing = self.missing(*_REQUIRED)
        if self.app_env != "production":
            return missing
        published = [
            f"{name} still has the published value of docker-local.env: set a secret of your own"
            for name in (*_SECRETS, "JWT_PREVIOUS_SECRETS", "SMTP_URL")
            if EXAMPLE_SECRET_PREFIX in _plain(self, name)
        ]
        weak = len(_plain(self, "JWT_SECRET")) < MIN_JWT_SECRET_LENGTH and bool(_plain(self, "JWT_SECRET"))
        short = [f"JWT_SECRET is shorter than {MIN_JWT_SECRET_LENGTH} characters"] if weak else []
        local = ["PUBLIC_URL is a loopback address, which identity providers and mailed links cannot use"]
        unreachable = local if (self.social_providers or self.smtp_url) and "127.0.0.1" in self.public_url else []
        return missing + published + short + unreachable


_SECRETS = ("JWT_SECRET", "DATABASE_URL", "MONGO_URL", "REDIS_URL", "STORAGE_SECRET_KEY")
_REQUIRED = (*_SECRETS, "STORAGE_ENDPOINT", "STORAGE_ACCESS_KEY")
# Parameters of a PostgreSQL address, and their names in the driver.
_PARAMETERS = {
    "sslmode": "ssl",
    "ssl": "ssl",
    "host": "host",
    "port": "port",
    "target_session_attrs": "target_session_attrs",
    "prepared_statement_cache_size": "prepared_statement_cache_size",
}


def _plain(settings: Settings, name: str) -> str:
    value = getattr(settings, name.lower())
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def _with_driver(url: SecretStr) -> str:
    address = url.get_secret_value().partition("://")[2].partition("?")[0]
    query = urlencode([(_PARAMETERS[name], value) for name, value in _parameters(url)])
    return f"postgresql+asyncpg://{address}{'?' if query else ''}{query}"


def _parameters(url: SecretStr) -> list[tuple[str, str]]:
    return parse_qsl(urlsplit(url.get_secret_value()).query)


def _is_host_and_port(text: str) -> bool:
    parts = urlsplit(f"//{text}")
    return parts.netloc == text and bool(parts.hostname) and (parts.port is None or parts.port > 0)
