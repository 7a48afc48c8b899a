"""What several commands take and do alike."""

from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from app.cli.environment import load_backends_env
from app.core.settings import Settings

DataDir = Annotated[
    Path, typer.Option(help="The data directory of a running `dev`: gives what the environment leaves unset.")
]


def load_settings(data_dir: Path | None = None) -> Settings:
    """Return the settings, or end the command with one line for each that is wrong."""
    if data_dir is not None:
        load_backends_env(data_dir)
    try:
        return Settings()
    except ValidationError as error:
        for one in error.errors():
            typer.echo(f"{'.'.join(str(step) for step in one['loc']).upper()}: {one['msg']}", err=True)
        raise typer.Exit(2) from error
