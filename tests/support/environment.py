"""Settings as a process of its own gets them."""

import os

from pydantic import BaseModel, SecretStr

from app.core.settings import Settings

# SSL_CERT_DIR: see conftest.py.
KEPT = ("PATH", "HOME", "TMPDIR", "LANG", "SSL_CERT_DIR")


def environment(settings: Settings) -> dict[str, str]:
    """Return the environment variables that make these settings."""
    chosen = {name.upper(): _as_text(getattr(settings, name)) for name in settings.model_fields_set}
    return {name: os.environ[name] for name in KEPT if name in os.environ} | chosen


def _as_text(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, list):
        return ",".join(map(str, value))
    if isinstance(value, dict):
        return ",".join(f"{key}={one}" for key, one in value.items())
    if value is None:
        return ""
    return value.model_dump_json() if isinstance(value, BaseModel) else str(value)
