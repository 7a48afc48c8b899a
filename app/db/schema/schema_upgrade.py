"""Runs the migrations from code: for the `migrate` command, the development server and the tests."""

from pathlib import Path

from alembic import command
from alembic.config import Config

ROOT = Path(__file__).resolve().parents[3]
# SQLSTATEs of failed connections, of insufficient resources, and of a server that starts or stops.
_NOT_SERVING = ("08", "53", "57P")


class LockNotAvailable(Exception):
    """Other transactions held a lock on a table for longer than a migration waits."""


class MigrationRefused(Exception):
    """The database does not allow a migration; the message states what the operator can do."""


def alembic_config(sqlalchemy_url: str | None = None) -> Config:
    """Return Alembic's configuration. Without a URL it connects to the database of the settings."""
    config = Config(ROOT / "alembic.ini")
    config.set_main_option("script_location", str(ROOT / "migrations"))
    config.attributes["sqlalchemy_url"] = sqlalchemy_url
    return config


def upgrade(sqlalchemy_url: str | None = None, revision: str = "head") -> None:
    """Upgrade the database to `revision`. A schema of the previous version is renamed first.

    Raises OSError or TimeoutError when the server does not respond.
    Raises MigrationRefused when the data must be corrected first, or the schema is too old.
    Raises LockNotAvailable when a table stays locked. Completed revisions are kept, and a repetition resumes there.
    """
    config = alembic_config(sqlalchemy_url)
    config.attributes["adopt_previous_schema"] = True
    try:
        command.upgrade(config, revision)
    except Exception as error:
        original = getattr(error, "orig", None) or error
        if (getattr(original, "sqlstate", None) or "").startswith(_NOT_SERVING):
            raise ConnectionError(str(original)) from error
        raise


def downgrade(sqlalchemy_url: str | None = None, revision: str = "base") -> None:
    """Downgrade the database to `revision`."""
    command.downgrade(alembic_config(sqlalchemy_url), revision)
