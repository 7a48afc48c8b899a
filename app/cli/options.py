"""Shared options of the commands."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from app.cli.environment import BACKENDS_ENV, load_backends_env
from app.core.settings import Settings

DataDir = Annotated[
    Path, typer.Option(help="The data directory of a running `dev`, for settings that the environment lacks.")
]
JsonLines = Annotated[
    bool, typer.Option("--json", help="Print each result as a line of JSON; other output goes to standard error.")
]
Query = Annotated[
    str, typer.Argument(metavar="Q", help="A query, such as 'cat OR dog'. Write -- before one that begins with -.")
]
Email = Annotated[str, typer.Argument(help="The e-mail address of the account.")]


STORE = ("STORAGE_ENDPOINT", "STORAGE_ACCESS_KEY", "STORAGE_SECRET_KEY")


def load_settings(data_dir: Path | None = None, needs: Sequence[str] = ()) -> Settings:
    """Return the settings. Exits with code 2 and one line for each invalid or missing setting."""
    if data_dir is not None:
        load_backends_env(data_dir)
    try:
        settings = Settings()
    except ValidationError as error:
        for one in error.errors():
            typer.echo(f"{'.'.join(str(step) for step in one['loc']).upper()}: {one['msg']}", err=True)
        raise typer.Exit(2) from error
    missing = settings.missing(*needs)
    if missing and data_dir is not None and not (data_dir / BACKENDS_ENV).exists():
        missing.append(f"no running `dev` uses {data_dir}")
    exit_with_errors(missing)
    return settings


def exit_with_errors(problems: Sequence[str]) -> None:
    """Exit with code 2 and one line for each problem, if there are any."""
    for problem in problems:
        typer.echo(f"Not started: {problem}", err=True)
    if problems:
        raise typer.Exit(2)
