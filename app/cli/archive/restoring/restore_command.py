"""`restore`: load an archive of `export` into a service."""

import asyncio
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from app.audit.audit_log import COMMAND, AuditLog
from app.cli.archive.archive_exits import reported_exits
from app.cli.archive.archive_files import locked_directory
from app.cli.archive.archive_format import (
    ACCOUNTS,
    OPERATIONS,
    VOCABULARY,
    ArchivedAccount,
    ArchivedOperation,
    ArchivedTag,
    Manifest,
    Snapshot,
)
from app.cli.archive.archive_reader import ArchiveEntry, ArchiveReader, ArchiveUnusable, BrokenLine
from app.cli.archive.restoring.account_restorer import AccountRestorer
from app.cli.archive.restoring.image_restorer import MAX_DRY_RUN_BYTES, ImageRestorer
from app.cli.archive.restoring.operation_restorer import OperationRestorer
from app.cli.archive.restoring.restore_repository import RestoreRepository
from app.cli.archive.restoring.restore_results import RestoreOutcome, RestoreResult, RestoreResults
from app.cli.archive.restoring.vocabulary_check import VocabularyCheck
from app.cli.archive.restoring.vocabulary_restorer import VocabularyRestorer
from app.cli.backends import Backends, open_backends
from app.cli.options import STORE, DataDir, JsonLines, load_settings
from app.cli.transfers.result_lines import ReportPath, open_lines
from app.cli.transfers.transfer_display import TransferDisplay
from app.core.settings import Settings


def restore(
    directory: Annotated[
        Path, typer.Argument(exists=True, file_okay=False, metavar="DIR", help="The directory of the archive.")
    ],
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Report the result without changes. Larger images than "
            f"{MAX_DRY_RUN_BYTES // 2**20} MiB are not decoded.",
        ),
    ] = False,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="The number of concurrent images.")] = 4,
    report: ReportPath = None,
    as_json: JsonLines = False,
    data_dir: DataDir = Path(".imts"),
) -> None:
    """Load accounts, tags and images of an archive into an empty or a filled service.

    Nothing that exists is changed. A second run changes nothing, and an interrupted one continues when it is run again.
    Exit code 0: the service has everything of the archive; 1: it has not, and the reasons are listed; 2: the options or
    the archive cannot be used; 3: a backend failed.
    """
    settings = load_settings(data_dir, needs=("DATABASE_URL", *STORE))
    results = RestoreResults()
    with (
        open_lines(report, as_json=as_json) as results.lines,
        reported_exits(directory, ArchiveUnusable),
        locked_directory(directory),
    ):
        manifest = asyncio.run(_restore(settings, ArchiveReader(directory), results, jobs, dry_run))
    _summarize(results, manifest, is_dry_run=dry_run)
    raise typer.Exit(0 if results.is_complete else 1)


async def _restore(
    settings: Settings, reader: ArchiveReader, results: RestoreResults, jobs: int, is_dry_run: bool
) -> Manifest:
    manifest = reader.open()
    display = TransferDisplay(manifest.images, manifest.snapshot.bytes)
    async with open_backends(settings, min(jobs, settings.decoder_processes)) as backends:
        if not is_dry_run:
            await backends.object_store.ensure_bucket()
        with display.live():
            await _Restore(settings, backends, reader, results, display, manifest.snapshot, is_dry_run).run(jobs)
    return manifest


@dataclass(slots=True)
class _Restore:
    settings: Settings
    backends: Backends
    reader: ArchiveReader
    results: RestoreResults
    display: TransferDisplay
    snapshot: Snapshot
    is_dry_run: bool

    async def run(self, jobs: int) -> None:
        """Restore accounts, then tags, then their operations and the images, which need both."""
        record = self.results.record
        # MongoDB gets no copy of the events: PostgreSQL is the source of truth.
        audit = AuditLog(COMMAND, lambda _record: None)
        accounts = AccountRestorer(self.backends.database, audit, record, self.is_dry_run)
        await accounts.restore(self.reader.read_members(ACCOUNTS, ArchivedAccount))
        members: Callable[[], Iterator[ArchivedTag | BrokenLine]] = partial(
            self.reader.read_members, VOCABULARY, ArchivedTag
        )
        added_tags: Collection[str] = ()
        if self.is_dry_run:
            added_tags = await VocabularyCheck(self.backends.database, record).check(members)
        else:
            await VocabularyRestorer(self.backends.database, audit, accounts.owners, record).restore(members)
        operations = OperationRestorer(self.backends.database, accounts.owners, record, self.is_dry_run)
        await operations.restore(self.reader.read_members(OPERATIONS, ArchivedOperation), added_tags)
        images = ImageRestorer(
            self.backends,
            self.settings,
            self.reader,
            accounts.owners,
            accounts.expected,
            added_tags,
            self.snapshot.last_event_id,
        )
        if self.snapshot.last_event_id and not self.is_dry_run:
            async with self.backends.database.unit_of_work() as session:
                await RestoreRepository(session).reserve_event_ids(self.snapshot.last_event_id)
        entries = self.reader.entries()
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(jobs):
                    group.create_task(self._restore_images(images, entries))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from errors

    async def _restore_images(self, images: ImageRestorer, entries: Iterator[ArchiveEntry | BrokenLine]) -> None:
        """Restore the next images until there are none. Several tasks share the entries."""
        for entry in entries:
            if isinstance(entry, BrokenLine):
                self.results.record(RestoreResult(entry.place, RestoreOutcome.REFUSED, entry.reason))
                continue
            self.results.record(await images.restore(entry, is_dry_run=self.is_dry_run))
            self.display.count()
            self.display.measure(self.reader.size_of(entry))


def _summarize(results: RestoreResults, manifest: Manifest, *, is_dry_run: bool) -> None:
    counts = results.counts
    results.lines.summarize(
        f"{'Dry run: ' if is_dry_run else ''}{counts[RestoreOutcome.RESTORED]} restored, "
        f"{counts[RestoreOutcome.STORED]} already stored, {counts[RestoreOutcome.MAPPED]} mapped, "
        f"{counts[RestoreOutcome.CONFLICT]} in conflict, {counts[RestoreOutcome.REFUSED]} refused."
    )
    for result in results.listed:
        results.lines.summarize(f"  {result.outcome}: {result.path}: {result.reason}")
    if manifest.left_out:
        results.lines.summarize(f"  The export left out {manifest.left_out} images.")
