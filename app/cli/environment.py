"""Reads the settings of the environment and of `.env`, and the address file of a running `dev`."""

import os
from pathlib import Path

from dotenv import dotenv_values

BACKENDS_ENV = "backends.env"
# The setting that selects an external server for each backend.
ADDRESS_SETTINGS = {
    "postgres": "DATABASE_URL",
    "mongo": "MONGO_URL",
    "object_store": "STORAGE_ENDPOINT",
    "redis": "REDIS_URL",
}


def given_settings() -> dict[str, str]:
    """Return all non-empty variables. The environment overrides `.env`."""
    return _non_empty({**_non_empty(dotenv_values(".env")), **_non_empty(dict(os.environ))})


def configured_backends() -> dict[str, str]:
    """Return the configured addresses by backend. They may contain passwords."""
    given = given_settings()
    return {backend: given[name] for backend, name in ADDRESS_SETTINGS.items() if name in given}


def load_backends_env(data_dir: Path) -> None:
    """Set unset environment variables from the address file of the `dev` that uses the data directory."""
    given = given_settings()
    for name, value in _non_empty(dotenv_values(data_dir / BACKENDS_ENV)).items():
        if name not in given:
            os.environ[name] = value


def _non_empty(values: dict[str, str | None] | dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if value}
