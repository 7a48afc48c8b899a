"""Restores the vocabulary of an archive: first all tags, then aliases, then implications."""

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.audit_log import AuditLog
from app.cli.archive.archive_format import ArchivedName, ArchivedTag
from app.cli.archive.archive_reader import BrokenLine
from app.cli.archive.restoring.restore_repository import RestoreRepository
from app.cli.archive.restoring.restore_results import RestoreOutcome, RestoreResult
from app.db.database import Database
from app.tags.changes.link_plan import NamedTag
from app.tags.changes.tag_change import TagChange
from app.tags.changes.tag_change_repository import TagChangeRepository
from app.tags.implication_graph import Implications
from app.tags.repository import TagRepository

BATCH = 200

Members = Callable[[], Iterable[ArchivedTag | BrokenLine]]


@dataclass(slots=True)
class VocabularyRestorer:
    """Adds missing tags, aliases and implications. Existing tags keep their time and listing."""

    database: Database
    audit: AuditLog
    owners: Mapping[uuid.UUID, uuid.UUID]
    record: Callable[[RestoreResult], None]

    async def restore(self, members: Members) -> None:
        """Record a result for each tag, and one for each alias or implication that conflicts.

        Raises DatabaseUnavailable, DatabaseBusy.
        """
        self._record(report_broken(members()))
        for batch in batch_tags(members()):
            async with self.database.unit_of_work() as session:
                results = await self._add_tags(session, batch)
            self._record(results)
        for batch in batch_tags(members(), lambda tag: tag.aliases):
            async with self.database.unit_of_work() as session:
                results = await self._add_aliases(session, batch)
            self._record(results)
        for batch in batch_tags(members(), lambda tag: tag.implies):
            async with self.database.unit_of_work() as session:
                results = await self._add_implications(session, batch)
            self._record(results)

    def _record(self, results: Iterable[RestoreResult]) -> None:
        for result in results:
            self.record(result)

    async def _add_tags(self, session: AsyncSession, batch: list[ArchivedTag]) -> list[RestoreResult]:
        repository = RestoreRepository(session)
        added = await repository.add_tags(batch)
        await repository.add_private_owners(
            {
                added[tag.name]: [self.owners.get(owner, owner) for owner in tag.private_to]
                for tag in batch
                if tag.name in added
            }
        )
        known = {row.name: row for row in await TagChangeRepository(session).list_by_name(names_of(batch))}
        return [report_new(tag) if tag.name in added else report_existing(tag, known.get(tag.name)) for tag in batch]

    async def _add_aliases(self, session: AsyncSession, batch: list[ArchivedTag]) -> list[RestoreResult]:
        changes, repository = TagChangeRepository(session), RestoreRepository(session)
        await changes.lock_changes()
        ids = await TagRepository(session).list_ids_by_name(names_of(batch))
        await changes.lock_tags(set(ids.values()))
        results = []
        for tag in batch:
            for alias in tag.aliases:
                target = ids.get(tag.name)
                if target is None or await repository.add_alias(target, alias) != target:
                    results.append(report_alias(tag, alias))
        return results

    async def _add_implications(self, session: AsyncSession, batch: list[ArchivedTag]) -> list[RestoreResult]:
        change = await TagChange.begin(session, self.audit)
        graph = Implications.of(await TagChangeRepository(session).list_implications())
        results = []
        for tag in batch:
            ids = await TagRepository(session).list_ids_by_name([tag.name, *(one.name for one in tag.implies)])
            source = await TagRepository(session).find_id_by_exact_name(tag.name)
            new: dict[int, ArchivedName] = {}
            for one in tag.implies:
                implied = ids.get(one.name)
                if source is None or implied is None or graph.would_close_cycle(source, implied):
                    results.append(report_implication(tag, one))
                elif implied not in graph.implied_by(source):
                    new[implied] = one
            if source is not None and new:
                await _add_edges(session, change, tag.name, source, new)
                for implied in new:
                    graph.add(source, implied)
        return results


async def _add_edges(
    session: AsyncSession, change: TagChange, name: str, tag: int, new: Mapping[int, ArchivedName]
) -> None:
    """Add implications to those of a tag, also on its images."""
    current = (await TagRepository(session).get(name)).implies
    await change.set_implications(name, [*current, *(one.name for one in new.values())])
    times = {implied: one.created_at for implied, one in new.items()}
    await RestoreRepository(session).set_implication_times(tag, times)


def batch_tags(
    members: Iterable[ArchivedTag | BrokenLine], is_included: Callable[[ArchivedTag], object] = lambda _tag: True
) -> Iterator[list[ArchivedTag]]:
    """Yield the tags that are included, in batches."""
    tags = (one for one in members if isinstance(one, ArchivedTag) and is_included(one))
    while batch := list(islice(tags, BATCH)):
        yield batch


def names_of(batch: Iterable[ArchivedTag]) -> list[str]:
    """Return the names of tags."""
    return [tag.name for tag in batch]


def _path(tag: ArchivedTag) -> str:
    return f"tag {tag.name}"


def report_broken(members: Iterable[ArchivedTag | BrokenLine]) -> Iterator[RestoreResult]:
    """Yield the results of lines without a tag."""
    for one in members:
        if isinstance(one, BrokenLine):
            yield RestoreResult(one.place, RestoreOutcome.REFUSED, one.reason)


def report_new(tag: ArchivedTag) -> RestoreResult:
    """Return the result of a tag that the service does not have."""
    return RestoreResult(_path(tag), RestoreOutcome.RESTORED)


def report_alias(tag: ArchivedTag, alias: ArchivedName) -> RestoreResult:
    """Return the result of an alias whose name is in use."""
    reason = f"the alias {alias.name!r} is another tag in the service, or stands for another one"
    return RestoreResult(_path(tag), RestoreOutcome.CONFLICT, reason)


def report_implication(tag: ArchivedTag, implied: ArchivedName) -> RestoreResult:
    """Return the result of an implication that is impossible."""
    reason = f"it cannot imply {implied.name!r} in the service"
    return RestoreResult(_path(tag), RestoreOutcome.CONFLICT, reason)


def report_existing(tag: ArchivedTag, known: NamedTag | None) -> RestoreResult:
    """Return the result of a tag whose name the service has; None for one that was deleted meanwhile."""
    if known is None:
        return RestoreResult(_path(tag), RestoreOutcome.CONFLICT, "it was deleted meanwhile")
    if known.alias_of is not None:
        return RestoreResult(_path(tag), RestoreOutcome.CONFLICT, "it is an alias in the service")
    return RestoreResult(_path(tag), RestoreOutcome.STORED)
