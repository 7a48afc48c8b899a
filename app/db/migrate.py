"""Running the migrations from code: the `migrate` command, the development server and the tests call this."""

from pathlib import Path

from alembic import command
from alembic.config import Config

ROOT = Path(__file__).resolve().parents[2]


class LockNotAvailable(Exception):
    """Other transactions held a table for longer than a migration waits."""


class MigrationRefused(Exception):
    """The data does not allow a migration; the message says what the operator can do."""


def alembic_config(sqlalchemy_url: str | None = None) -> Config:
    """Return Alembic's configuration, for the database of the settings unless another one is given."""
    config = Config(ROOT / "alembic.ini")
    config.set_main_option("script_location", str(ROOT / "migrations"))
    config.attributes["sqlalchemy_url"] = sqlalchemy_url
    return config


def upgrade(sqlalchemy_url: str | None = None, revision: str = "head") -> None:
    """Bring the database up to `revision`. Raises OSError or TimeoutError when the server does not answer.

    Raises MigrationRefused when the data has to be corrected first.
    Raises LockNotAvailable when a table is not to be had; what was done before is kept, and a repetition goes on there.
    """
    command.upgrade(alembic_config(sqlalchemy_url), revision)


def downgrade(sqlalchemy_url: str | None = None, revision: str = "base") -> None:
    """Take the database down to `revision`."""
    command.downgrade(alembic_config(sqlalchemy_url), revision)
