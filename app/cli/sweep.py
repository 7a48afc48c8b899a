"""`sweep`: delete orphaned objects and check the consistency of the store."""

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from app.audit.command_audit import command_audit_log
from app.cli.options import STORE, DataDir, JsonLines, load_settings
from app.core.errors import AppError
from app.core.settings import Settings
from app.db.database import Database
from app.images.maintenance.consistency_check import ConsistencyCheck, ConsistencyReport
from app.images.maintenance.orphan_sweeper import OrphanSweeper
from app.images.trash.purge import TrashPurge
from app.storage.object_store import ObjectStore


def sweep(
    data_dir: DataDir = Path(".imts"),
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report only, without changes.")] = False,
    digests: Annotated[bool, typer.Option(help="Also compare the SHA-256 digest of each file.")] = True,
    as_json: JsonLines = False,
) -> None:
    """Compare database rows with stored objects, and print a JSON report.

    Deletes images that the trash has kept for TRASH_DAYS, and objects that no image owns after a grace period. Reports
    images with missing or damaged objects. Exit
    code 0: every image is intact; 1: some are damaged; 3: a backend did not respond, and nothing was deleted.
    """
    settings = load_settings(data_dir, needs=("DATABASE_URL", *STORE))
    try:
        report = asyncio.run(_sweep(settings, dry_run=dry_run, digests=digests))
    except AppError as error:
        typer.echo(f"The check failed: {error}", err=True)
        raise typer.Exit(3) from error
    typer.echo(json.dumps(report.as_dict(), indent=None if as_json else 2))
    raise typer.Exit(0 if report.is_clean else 1)


async def _sweep(settings: Settings, *, dry_run: bool, digests: bool) -> ConsistencyReport:
    database, object_store = Database(settings), ObjectStore(settings)
    try:
        with Progress(console=Console(stderr=True)) as bar:
            task = bar.add_task("images", total=None)
            check = ConsistencyCheck(database, object_store, settings, lambda count: bar.update(task, completed=count))
            bar.update(task, total=await check.count())
            report = await check.run(dry_run=dry_run, digests=digests)
        if not dry_run:
            async with command_audit_log(settings) as audit:
                report.purged = await TrashPurge(database, settings, audit).purge()
            report.swept = await OrphanSweeper(database, object_store, settings).sweep()
        return report
    finally:
        await object_store.close()
        await database.close()
