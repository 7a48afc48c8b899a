"""Which settings the environment and `.env` give, and the file that a running `dev` leaves for the other commands."""

import os
from pathlib import Path

from dotenv import dotenv_values

BACKENDS_ENV = "backends.env"
# The setting whose presence says that a backend is provided from outside.
ADDRESS_SETTINGS = {
    "postgres": "DATABASE_URL",
    "mongo": "MONGO_URL",
    "object_store": "STORAGE_ENDPOINT",
    "redis": "REDIS_URL",
}


def given_settings() -> dict[str, str]:
    """Every non-empty variable of the environment and of `.env`; the environment wins."""
    return _non_empty({**_non_empty(dotenv_values(".env")), **_non_empty(dict(os.environ))})


def configured_backends() -> dict[str, str]:
    """The addresses from outside, by backend. They may hold passwords."""
    given = given_settings()
    return {backend: given[name] for backend, name in ADDRESS_SETTINGS.items() if name in given}


def load_backends_env(data_dir: Path) -> None:
    """Puts what the environment leaves unset into it, from the file of the `dev` that runs in the data directory."""
    given = given_settings()
    for name, value in _non_empty(dotenv_values(data_dir / BACKENDS_ENV)).items():
        if name not in given:
            os.environ[name] = value


def _non_empty(values: dict[str, str | None] | dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if value}
