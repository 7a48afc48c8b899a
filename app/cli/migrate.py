"""`migrate`: bring the database schema to the current version."""

from pathlib import Path

import typer

from app.cli.options import DataDir, load_settings
from app.db.schema.schema_upgrade import LockNotAvailable, MigrationRefused, upgrade


def migrate(data_dir: DataDir = Path(".imts")) -> None:
    """Upgrade the database schema."""
    settings = load_settings(data_dir, needs=("DATABASE_URL",))
    if settings.database_pooler and not settings.database_direct_url.get_secret_value():
        typer.echo("Not migrated: set DATABASE_DIRECT_URL. A migration needs a session, which a pooler ends.", err=True)
        raise typer.Exit(1)
    try:
        upgrade(settings.sqlalchemy_direct_url)
    except OSError as error:
        typer.echo(f"The database does not respond: {error}", err=True)
        raise typer.Exit(1) from error
    except (LockNotAvailable, MigrationRefused) as error:
        typer.echo(f"Not migrated: {error}", err=True)
        raise typer.Exit(1) from error
    typer.echo("The database schema is up to date.")
