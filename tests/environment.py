"""Settings as a process of its own gets them."""

import os

from pydantic import SecretStr

from app.core.settings import Settings


def environment(settings: Settings) -> dict[str, str]:
    """Return the environment variables that make these settings."""
    plain = {name: _plain(value) for name, value in settings.model_dump(exclude_none=True).items()}
    told = {name.upper(): str(value) for name, value in plain.items() if not isinstance(value, list)}
    return {"PATH": os.environ["PATH"], **told}


def _plain(value: object) -> object:
    return value.get_secret_value() if isinstance(value, SecretStr) else value
