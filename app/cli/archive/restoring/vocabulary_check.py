"""The dry run of the vocabulary: finds the conflicts of a restore without changes."""

from collections.abc import Callable
from dataclasses import dataclass, field

from app.cli.archive.archive_format import ArchivedTag
from app.cli.archive.restoring.restore_results import RestoreResult
from app.cli.archive.restoring.vocabulary_restorer import (
    Members,
    batch_tags,
    names_of,
    report_alias,
    report_broken,
    report_existing,
    report_implication,
    report_new,
)
from app.db.database import Database
from app.tags.changes.link_plan import NamedTag
from app.tags.changes.tag_change_repository import TagChangeRepository
from app.tags.implication_graph import Implications


@dataclass(slots=True)
class VocabularyCheck:
    """Follows the steps of VocabularyRestorer in memory. Tags that a restore would add have negative ids here."""

    database: Database
    record: Callable[[RestoreResult], None]
    _added: dict[str, NamedTag] = field(default_factory=dict)

    async def check(self, members: Members) -> set[str]:
        """Record the results of a restore; return the names of the tags and aliases that it would add.

        Raises DatabaseUnavailable.
        """
        for broken in report_broken(members()):
            self.record(broken)
        for batch in batch_tags(members()):
            known = await self._list_known(names_of(batch))
            for tag in batch:
                self.record(report_existing(tag, known[tag.name]) if tag.name in known else report_new(tag))
                if tag.name not in known:
                    self._add(tag.name)
        for batch in batch_tags(members(), lambda tag: tag.aliases):
            await self._check_aliases(batch)
        await self._check_implications(members)
        return set(self._added)

    async def _list_known(self, names: list[str]) -> dict[str, NamedTag]:
        """Return the tags and aliases of these names, also those that a restore would have added."""
        async with self.database.read_session() as session:
            rows = await TagChangeRepository(session).list_by_name(names)
        added = [self._added[name] for name in names if name in self._added]
        return {row.name: row for row in (*added, *rows)}

    def _add(self, name: str, alias_of: int | None = None) -> None:
        self._added[name] = NamedTag(-len(self._added) - 1, name, alias_of)

    async def _check_aliases(self, batch: list[ArchivedTag]) -> None:
        known = await self._list_known([*names_of(batch), *(alias.name for tag in batch for alias in tag.aliases)])
        for tag in batch:
            target = _target(known.get(tag.name))
            for alias in tag.aliases:
                found = known.get(alias.name) or self._added.get(alias.name)
                if found is None and target is not None:
                    self._add(alias.name, target)
                elif found is None or found.alias_of != target:
                    self.record(report_alias(tag, alias))

    async def _check_implications(self, members: Members) -> None:
        async with self.database.read_session() as session:
            graph = Implications.of(await TagChangeRepository(session).list_implications())
        for batch in batch_tags(members(), lambda tag: tag.implies):
            known = await self._list_known([*names_of(batch), *(one.name for tag in batch for one in tag.implies)])
            for tag in batch:
                # A tag that is an alias in the service implies nothing there.
                source = next((row.id for row in (known.get(tag.name),) if row and row.alias_of is None), None)
                for one in tag.implies:
                    implied = _target(known.get(one.name))
                    if source is None or implied is None or graph.would_close_cycle(source, implied):
                        self.record(report_implication(tag, one))
                    else:
                        graph.add(source, implied)


def _target(tag: NamedTag | None) -> int | None:
    return None if tag is None else tag.id if tag.alias_of is None else tag.alias_of
