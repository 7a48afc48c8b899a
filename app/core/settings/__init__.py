"""Settings from environment variables and `.env`. Nothing else in the code reads the environment."""

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.core.settings.account_settings import AccountSettings
from app.core.settings.cache_settings import CacheSettings
from app.core.settings.database_settings import DatabaseSettings
from app.core.settings.image_settings import ImageSettings
from app.core.settings.limit_settings import LimitSettings
from app.core.settings.mail_settings import MailSettings
from app.core.settings.search_settings import SearchSettings
from app.core.settings.server_settings import ServerSettings
from app.core.settings.storage_settings import StorageSettings
from app.core.settings.telemetry_settings import TelemetrySettings

__all__ = [
    "AccountSettings",
    "CacheSettings",
    "DatabaseSettings",
    "ImageSettings",
    "LimitSettings",
    "MailSettings",
    "SearchSettings",
    "ServerSettings",
    "Settings",
    "StorageSettings",
    "TelemetrySettings",
]

# The prefix of every secret in docker-local.env, which distinguishes published secrets from real ones.
EXAMPLE_SECRET_PREFIX = "docker-local-"  # noqa: S105 - not a secret: the mark of one that is public
MIN_JWT_SECRET_LENGTH = 32
_SECRETS = ("JWT_SECRET", "DATABASE_URL", "MONGO_URL", "REDIS_URL", "STORAGE_SECRET_KEY")
_REQUIRED = (*_SECRETS, "STORAGE_ENDPOINT", "STORAGE_ACCESS_KEY")


class Settings(
    ServerSettings,
    DatabaseSettings,
    StorageSettings,
    CacheSettings,
    TelemetrySettings,
    AccountSettings,
    MailSettings,
    LimitSettings,
    ImageSettings,
    SearchSettings,
    BaseSettings,
):
    """All groups. The environment variable of a field is its name in capitals; see docs/decisions/0019.

    Code that needs one group takes the class of that group as its parameter.
    """

    model_config = SettingsConfigDict(env_file=".env", env_file_encoding="utf-8", env_ignore_empty=True, extra="ignore")

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


def _plain(settings: Settings, name: str) -> str:
    value = getattr(settings, name.lower())
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)
