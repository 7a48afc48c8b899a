"""Restores the merges, renames and deletions of tags of an archive, so that they can be reverted."""

import uuid
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice

from app.cli.archive.archive_format import ArchivedOperation
from app.cli.archive.archive_reader import BrokenLine
from app.cli.archive.restoring.restore_repository import RestoreRepository
from app.cli.archive.restoring.restore_results import RestoreOutcome, RestoreResult
from app.db.database import Database

BATCH = 500


@dataclass(slots=True)
class OperationRestorer:
    """Adds missing operations. `owners` maps accounts of the archive to others of the service."""

    database: Database
    owners: Mapping[uuid.UUID, uuid.UUID]
    record: Callable[[RestoreResult], None]
    is_dry_run: bool

    async def restore(self, operations: Iterable[ArchivedOperation | BrokenLine], added_tags: Collection[str]) -> None:
        """Record a result for each operation. Raises DatabaseUnavailable, DatabaseBusy.

        A dry run takes the tags and aliases for existing that a restore would add.
        """
        remaining = iter(operations)
        while batch := list(islice(remaining, BATCH)):
            for broken in batch:
                if isinstance(broken, BrokenLine):
                    self.record(RestoreResult(broken.place, RestoreOutcome.REFUSED, broken.reason))
            await self._restore_batch([one for one in batch if isinstance(one, ArchivedOperation)], added_tags)

    async def _restore_batch(self, batch: list[ArchivedOperation], added_tags: Collection[str]) -> None:
        async with self.database.unit_of_work() as session:
            repository = RestoreRepository(session)
            stored = await repository.list_existing_operations([one.id for one in batch])
            new = [
                one.model_copy(update={"actor": self.owners.get(one.actor, one.actor) if one.actor else None})
                for one in batch
                if one.id not in stored
            ]
            missing = await repository.list_missing_tags(new)
            complete = [one for one in new if missing[one.id] <= set(added_tags)]
            if not self.is_dry_run:
                await repository.add_operations(complete)
        known = {one.id for one in complete}
        for one in batch:
            self.record(_result(one, is_stored=one.id in stored, is_known=one.id in known))


def _result(operation: ArchivedOperation, *, is_stored: bool, is_known: bool) -> RestoreResult:
    path = f"operation {operation.id}"
    if is_stored:
        return RestoreResult(path, RestoreOutcome.STORED)
    if is_known:
        return RestoreResult(path, RestoreOutcome.RESTORED)
    return RestoreResult(path, RestoreOutcome.CONFLICT, "the service does not have its tags")
