"""Changes of tags that take several transactions: deletion, merge, implications."""

import uuid
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.audit_log import AuditLog
from app.core.resource_paths import tag_path
from app.db.database import Database, set_lock_timeout
from app.models import AuditAction
from app.tags.changes.bulk_retag import retag_in_batches
from app.tags.changes.tag_change import TagChange
from app.tags.repository import CountedTag, TagRepository


class MergeResult(NamedTuple):
    """The target of a merge, and the batch of the events."""

    tag: CountedTag
    batch: uuid.UUID | None


class TagAdminService:
    """Changes tags for admins. All methods raise TagNotFound, TagIsAlias, DatabaseBusy."""

    def __init__(self, database: Database, audit: AuditLog) -> None:
        self._database, self._audit = database, audit

    async def delete(self, name: str) -> None:
        """Delete a tag with its aliases, and remove it from all images. Of an alias, delete only the alias."""
        async with self._database.unit_of_work() as session:
            await set_lock_timeout(session)
            if await self._remove_alias(session, name):
                return
            origin = await (await TagChange.begin(session, self._audit)).begin_removal(name)
        await retag_in_batches(self._database, name, None, origin)
        async with self._database.unit_of_work() as session:
            change = await TagChange.begin(session, self._audit, origin)
            await change.remove(name)
            await change.complete(origin)

    async def merge(self, name: str, into: str) -> MergeResult:
        """Replace a tag by another on all images; its name becomes an alias. An interrupted merge can be repeated."""
        async with self._database.unit_of_work() as session:
            change = await TagChange.begin(session, self._audit)
            origin = await change.begin_merge(name, into)
            await change.inherit_implications(into, name)
        await retag_in_batches(self._database, name, into, origin)
        async with self._database.unit_of_work() as session:
            change = await TagChange.begin(session, self._audit, origin)
            await change.merge(name, into)
            await change.complete(origin)
            return MergeResult(await TagRepository(session).get(into), origin.batch)

    async def set_implications(self, name: str, implied: Sequence[str]) -> CountedTag:
        """Replace the implications of a tag; create the implied tags. Raises ValidationFailed for a cycle."""
        async with self._database.unit_of_work() as session:
            tags = TagRepository(session)
            await tags.get(name)
            await tags.add_listed(implied)
        async with self._database.unit_of_work() as session:
            await (await TagChange.begin(session, self._audit)).set_implications(name, implied)
            return await TagRepository(session).get(name)

    async def _remove_alias(self, session: AsyncSession, name: str) -> bool:
        """Delete an alias; return False if the name is none."""
        tags = TagRepository(session)
        tag = await tags.find(name)
        if tag is None or not await tags.remove_alias(name):
            return False
        before, after = {"aliases": tag.aliases}, {"aliases": [one for one in tag.aliases if one != name]}
        await self._audit.write(session, AuditAction.TAG_SET_ALIASES, tag_path(tag.name), before=before, after=after)
        return True
