"""`export`: write images, tags and accounts into an archive."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from app.cli.archive.archive_exits import reported_exits
from app.cli.archive.archive_files import locked_directory
from app.cli.archive.archive_format import MANIFEST, Manifest, Snapshot
from app.cli.archive.exporting.export_run import ExportOutcome, ExportResult, ExportRun
from app.cli.archive.exporting.export_snapshot import SNAPSHOT, UNFINISHED, load_snapshot, take_snapshot
from app.cli.options import STORE, DataDir, JsonLines, load_settings
from app.cli.transfers.result_lines import ResultLines
from app.cli.transfers.transfer_display import TransferDisplay
from app.core.errors import BadRequest, Unauthenticated
from app.core.resource_paths import image_path
from app.core.settings import Settings
from app.db.database import Database
from app.search.language.parser import parse
from app.storage.object_store import ObjectStore

_OWN_FILES = frozenset((MANIFEST, SNAPSHOT, UNFINISHED))


class _Unusable(Exception):
    """The directory cannot receive the archive. The message names the remedy."""


def export(
    directory: Annotated[Path, typer.Argument(file_okay=False, metavar="DIR", help="The directory of the archive.")],
    query: Annotated[str | None, typer.Option(help="Export the images that match, as an admin sees them.")] = None,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="The number of concurrent copies.")] = 4,
    as_json: JsonLines = False,
    data_dir: DataDir = Path(".imts"),
) -> None:
    """Write originals, metadata, tags and accounts of one moment into an archive for `restore`.

    An interrupted export continues when it is run again. Run on a complete archive, it brings the archive up to date.
    Exit code 0: every image is archived; 1: some are not, and each is listed; 2: the options or the directory cannot be
    used; 3: a backend or the disk failed.
    """
    settings = load_settings(data_dir, needs=("DATABASE_URL", *STORE))
    results = _Results(ResultLines(as_json=as_json))
    with reported_exits(directory, _Unusable, BadRequest, Unauthenticated):
        if query is not None:
            parse(query)
        with locked_directory(directory):
            manifest = asyncio.run(_export(settings, directory, query, jobs, results))
    _summarize(results, manifest)
    raise typer.Exit(1 if results.failed else 0)


async def _export(settings: Settings, directory: Path, query: str | None, jobs: int, results: "_Results") -> Manifest:
    database, object_store = Database(settings), ObjectStore(settings)
    try:
        _check_directory(directory, query)
        snapshot = load_snapshot(directory) or await take_snapshot(database, directory, query)
        display = TransferDisplay(snapshot.images, snapshot.bytes)
        results.display = display
        with display.live():
            run = ExportRun(directory, database, object_store, jobs, results.record, display.measure)
            return await run.run(snapshot)
    finally:
        await object_store.close()
        await database.close()


def _check_directory(directory: Path, query: str | None) -> None:
    """Raise _Unusable unless the directory is empty or has an archive of the same query."""
    names = {path.name for path in directory.iterdir()}
    if names and not names & _OWN_FILES:
        raise _Unusable(f"{directory} has other files. Choose an empty directory.")
    try:
        earlier = load_snapshot(directory) or _archived_snapshot(directory)
    except ValidationError as error:
        raise _Unusable(f"{directory} has an archive of another version. Choose an empty directory.") from error
    if earlier is not None and earlier.query != query:
        has = "all images" if earlier.query is None else f"the query {earlier.query!r}"
        raise _Unusable(f"{directory} has an archive of {has}. Choose an empty directory.")


def _archived_snapshot(directory: Path) -> Snapshot | None:
    try:
        return Manifest.model_validate_json((directory / MANIFEST).read_bytes()).snapshot
    except FileNotFoundError:
        return None


@dataclass(slots=True)
class _Results:
    lines: ResultLines
    display: TransferDisplay | None = None
    counts: Counter[ExportOutcome] = field(default_factory=Counter)
    failed: list[ExportResult] = field(default_factory=list)

    def record(self, result: ExportResult) -> None:
        self.counts[result.outcome] += 1
        if result.outcome is ExportOutcome.FAILED:
            self.failed.append(result)
        image = result.image
        self.lines.write(image.original, result.outcome, reason=result.reason, image=image_path(image.id))
        if self.display is not None:
            self.display.count()


def _summarize(results: _Results, manifest: Manifest) -> None:
    snapshot, counts = manifest.snapshot, results.counts
    results.lines.summarize(
        f"{manifest.images} images ({counts[ExportOutcome.COPIED]} copied, {counts[ExportOutcome.KEPT]} kept), "
        f"{snapshot.tags} tags and {snapshot.accounts} accounts of {snapshot.taken_at:%Y-%m-%d %H:%M:%S} UTC."
    )
    if snapshot.trashed:
        results.lines.summarize(f"  in the trash: {snapshot.trashed}")
    if deleted := counts[ExportOutcome.DELETED]:
        results.lines.summarize(f"  left out: {deleted}, deleted since")
    for result in results.failed:
        results.lines.summarize(f"  failed: {result.image.id}: {result.reason}")
