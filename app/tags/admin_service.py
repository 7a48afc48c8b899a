"""Changes of tags that take several transactions: deletion, merge, implications."""

from collections.abc import Sequence

from app.db.database import Database, set_lock_timeout
from app.tags.changes.bulk_retag import retag_in_batches
from app.tags.changes.tag_change import TagChange
from app.tags.repository import CountedTag, TagRepository


class TagAdminService:
    """Changes tags for admins. All methods raise TagNotFound, TagIsAlias, DatabaseBusy."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def delete(self, name: str) -> None:
        """Delete a tag with its aliases, and remove it from all images. Of an alias, delete only the alias."""
        async with self._database.unit_of_work() as session:
            await set_lock_timeout(session)
            if await TagRepository(session).remove_alias(name):
                return
        await retag_in_batches(self._database, name, None)
        async with self._database.unit_of_work() as session:
            await (await TagChange.begin(session)).remove(name)

    async def merge(self, name: str, into: str) -> CountedTag:
        """Replace a tag by another on all images; its name becomes an alias. An interrupted merge can be repeated."""
        async with self._database.unit_of_work() as session:
            await (await TagChange.begin(session)).inherit_implications(into, name)
        await retag_in_batches(self._database, name, into)
        async with self._database.unit_of_work() as session:
            await (await TagChange.begin(session)).merge(name, into)
            return await TagRepository(session).get(into)

    async def set_implications(self, name: str, implied: Sequence[str]) -> CountedTag:
        """Replace the implications of a tag; create the implied tags. Raises ValidationFailed for a cycle."""
        async with self._database.unit_of_work() as session:
            tags = TagRepository(session)
            await tags.get(name)
            await tags.add_listed(implied)
        async with self._database.unit_of_work() as session:
            await (await TagChange.begin(session)).set_implications(name, implied)
            return await TagRepository(session).get(name)
