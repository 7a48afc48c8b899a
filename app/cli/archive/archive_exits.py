"""The messages and exit codes of an `export` or a `restore` that does not end."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from app.core.errors import AppError


@contextmanager
def reported_exits(directory: Path, *unusable: type[Exception]) -> Iterator[None]:
    """Raise typer.Exit: 2 for an unusable archive or query, 3 for a failed backend or disk, 130 for Ctrl-C."""
    try:
        yield
    except unusable as error:
        typer.echo(f"Not started: {error}", err=True)
        raise typer.Exit(2) from error
    except BlockingIOError as error:
        typer.echo(f"Not started: another command uses {directory}.", err=True)
        raise typer.Exit(2) from error
    except (AppError, OSError) as error:
        typer.echo(f"Stopped: {str(error).rstrip('.')}. Run the command again to continue.", err=True)
        raise typer.Exit(3) from error
    except KeyboardInterrupt as error:
        typer.echo("Stopped. Run the command again to continue.", err=True)
        raise typer.Exit(130) from error
