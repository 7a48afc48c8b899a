"""`reprocess`: read stored images again and correct their metadata."""

import asyncio
import json
import os
import uuid
from collections.abc import Mapping
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from app.cli.backends import open_backends
from app.cli.options import STORE, DataDir, JsonLines, load_settings
from app.core.errors import AppError
from app.core.settings import Settings
from app.images.maintenance.reprocessing import (
    DimensionsProperty,
    HashesProperty,
    ImageProperty,
    MetadataProperty,
    ReprocessingReport,
    Reprocessor,
)

# Lower priority than the service's own processes.
NICENESS = 10


class Subject(StrEnum):
    """A property that can be rebuilt."""

    DIMENSIONS = "dimensions"
    METADATA = "metadata"
    HASHES = "hashes"


_PROPERTIES: Mapping[Subject, ImageProperty[Any]] = MappingProxyType(
    {
        Subject.DIMENSIONS: DimensionsProperty(),
        Subject.METADATA: MetadataProperty(),
        Subject.HASHES: HashesProperty(),
    }
)


class Checkpoint:
    """A file with the id of the last image of an interrupted run. A complete run removes it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> uuid.UUID | None:
        """Return the id; None if there is none."""
        try:
            return uuid.UUID(self._path.read_text().strip())
        except (OSError, ValueError):
            return None

    def save(self, image_id: uuid.UUID) -> None:
        """Replace the id. If the file cannot be written, an interrupted run starts again."""
        new = self._path.with_suffix(".new")
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            new.write_text(f"{image_id}\n")
            new.replace(self._path)

    def remove(self) -> None:
        """Remove the file."""
        self._path.unlink(missing_ok=True)


def reprocess(
    data_dir: DataDir = Path(".imts"),
    *,
    only: Annotated[Subject, typer.Option(help="The property to rebuild.")] = Subject.DIMENSIONS,
    restart: Annotated[bool, typer.Option("--restart", help="Ignore the checkpoint of an interrupted run.")] = False,
    as_json: JsonLines = False,
) -> None:
    """Read the files of stored images again, correct their rows, and print a JSON report.

    An interrupted run continues at its checkpoint in the data directory. Exit code 0: every image was read; 1: some
    were not, and the report lists them; 3: a backend did not respond.
    """
    settings = load_settings(data_dir, needs=("DATABASE_URL", *STORE))
    checkpoint = Checkpoint(data_dir / f"reprocess-{only}")
    with suppress(OSError):
        os.nice(NICENESS)
    if restart:
        checkpoint.remove()
    try:
        report = asyncio.run(_reprocess(settings, _PROPERTIES[only], checkpoint))
    except AppError as error:
        typer.echo(f"Stopped: {error}. Run the command again to continue.", err=True)
        raise typer.Exit(3) from error
    checkpoint.remove()
    typer.echo(json.dumps(report.as_dict(), indent=None if as_json else 2))
    raise typer.Exit(1 if report.failed else 0)


async def _reprocess(
    settings: Settings, image_property: ImageProperty[Any], checkpoint: Checkpoint
) -> ReprocessingReport:
    async with open_backends(settings, decoder_processes=1) as backends:
        with Progress(console=Console(stderr=True)) as bar:
            task = bar.add_task("images", total=None)

            def advance(count: int, image_id: uuid.UUID) -> None:
                checkpoint.save(image_id)
                bar.update(task, completed=count)

            reprocessor = Reprocessor(image_property, *backends, advance)
            after = checkpoint.load()
            bar.update(task, total=await reprocessor.count(after))
            return await reprocessor.run(after)
