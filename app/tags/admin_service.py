"""Changes of the vocabulary, by admins: rename, delete, merge, aliases, implications.

Each is one transaction and goes through the images in batches: no statement takes long, and searches, and uploads with
other tags, go on meanwhile. What a merge or a delete has to do with very many images is done before, in transactions of
their own (`handover`). What is left can be minutes only where implications change that hundreds of thousands of images
depend on; who wants to use the tag, to change one of the images or the vocabulary then is told after two seconds that
it is busy. One change runs at a time (an advisory lock), so that the graph of implications holds still for it.
"""

import uuid
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import NoReturn

from sqlalchemy import delete, exists, insert, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import DatabaseBusy, TagExists, TagIsAlias, TagNotFound, ValidationFailed
from app.db.database import set_lock_timeout
from app.models import Tag, Tagged, TagImplication
from app.tags.bulk_retag import BATCH, replace_tag
from app.tags.image_tag_repository import ImageTagRepository
from app.tags.implication_graph import Implications
from app.tags.repository import TagRepository

_ADVISORY_LOCK = 0x746167  # "tag"


class TagAdminService:
    """One change in one unit of work."""

    def __init__(self, session: AsyncSession, implications: Implications) -> None:
        self._session = session
        self._image_tags = ImageTagRepository(session)
        self._implications = implications

    @classmethod
    async def begin(cls, session: AsyncSession) -> "TagAdminService":
        """Wait for the change under way, if it is short; the next begins when this unit of work ends.

        Raises DatabaseBusy.
        """
        await set_lock_timeout(session)
        await session.execute(text(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})"))
        # Once begun it is not given up for somebody's short lock on one of very many images.
        await set_lock_timeout(session, briefly=False)
        edges = await session.execute(select(TagImplication.tag_id, TagImplication.implied_tag_id))
        return cls(session, Implications.of((row.tag_id, row.implied_tag_id) for row in edges))

    async def rename(self, name: str, new_name: str) -> int:
        """Give a tag another name. Raises TagNotFound, TagIsAlias, TagExists."""
        tag = await self._get_named(name)
        await self._lock({tag})
        await self._session.execute(delete(Tag).where(Tag.name == new_name, Tag.alias_of == tag))
        await self._session.execute(update(Tag).where(Tag.id == tag).values(name=new_name))
        return tag

    async def remove(self, name: str) -> None:
        """Delete a tag, with its aliases, and take it off every image. Raises TagNotFound, TagIsAlias."""
        tag = await self._get_named(name)
        await self._lock({tag} | self._implications.ancestors(tag))
        edges = or_(TagImplication.tag_id == tag, TagImplication.implied_tag_id == tag)
        await self._session.execute(delete(TagImplication).where(edges))
        await self._for_images_with(tag, partial(replace_tag, self._session, tag, None))
        await self._session.execute(delete(Tag).where(Tag.id == tag))

    async def inherit_implications(self, name: str, other: str) -> None:
        """Have a tag imply what another one implies, short of a cycle. Raises TagNotFound, TagIsAlias."""
        tag, implied = await self._get(name), self._implications.implied_by(await self._get_named(other))
        await self._lock({tag} | self._implications.ancestors(tag))
        linked = [await self._link_unless_cycle(tag, one) for one in sorted(implied)]
        if any(linked):
            await self._for_images_with(tag)

    async def merge(self, name: str, into: str) -> int:
        """Have everything that has a tag have the other; its name becomes an alias. Raises TagNotFound, TagIsAlias."""
        tag, target = await self._get_named(name), await self._get(into)
        if tag == target:
            raise ValidationFailed.at(["body", "into"], "A tag cannot be merged into itself.")
        ancestors = self._implications.ancestors(tag) | self._implications.ancestors(target)
        await self._lock({tag, target} | ancestors)
        inherited = await self._move_edges(tag, target)
        await self._for_images_with(tag, partial(replace_tag, self._session, tag, target))
        if inherited:
            await self._for_images_with(target)
        await self._keep_listed(target, [tag])
        await self._session.execute(update(Tag).where(Tag.alias_of == tag).values(alias_of=target))
        await self._session.execute(update(Tag).where(Tag.id == tag).values(alias_of=target))
        return target

    async def set_aliases(self, name: str, aliases: Sequence[str]) -> int:
        """Have a tag known by exactly these other names.

        Raises TagNotFound, TagIsAlias, TagExists where one is a tag in use.
        """
        tag = await self._get_named(name)
        found = (await self._session.execute(select(Tag.id, Tag.name, Tag.alias_of).where(Tag.name.in_(aliases)))).all()
        if tag in {row.id for row in found}:
            raise ValidationFailed.at(["body", "aliases"], "A tag cannot be an alias of itself.")
        await self._lock({tag, *(row.id for row in found)})
        for row in found:
            if row.alias_of != tag and (row.alias_of is not None or await self._is_used(row.id)):
                raise TagExists(f"{row.name} is a tag, or an alias of another tag")
        await self._keep_listed(tag, [row.id for row in found])
        await self._session.execute(delete(Tag).where(Tag.alias_of == tag, Tag.name.not_in(aliases)))
        if aliases:
            statement = pg_insert(Tag).values([{"name": alias, "alias_of": tag} for alias in sorted(aliases)])
            named = statement.on_conflict_do_update(index_elements=["name"], set_={"alias_of": tag})
            await self._session.execute(named)
        return tag

    async def set_implications(self, name: str, implied: Sequence[str]) -> int:
        """Have a tag imply exactly these, which exist. Raises TagNotFound, TagIsAlias, ValidationFailed for a cycle."""
        tag, locked_tags = await self._get_named(name), await self._image_tags.lock_tags(implied)
        if locked_tags is None:
            raise DatabaseBusy
        wanted = set(locked_tags.explicit)
        await self._lock({tag} | self._implications.ancestors(tag))
        current = self._implications.implied_by(tag)
        for one in current - wanted:
            await self._unlink(tag, one)
        for one in sorted(wanted - current):
            if self._implications.would_close_cycle(tag, one):
                self._refuse_cycle()
            await self._link(tag, one)
        if current != wanted:
            await self._for_images_with(tag)
        return tag

    async def _move_edges(self, tag: int, target: int) -> bool:
        """Have the target imply and be implied as the tag was, short of a cycle; tell whether it implies more now."""
        implied, implying = self._implications.implied_by(tag), self._implications.implying(tag)
        for one in implied:
            await self._unlink(tag, one)
        for one in implying:
            await self._unlink(one, tag)
        new = [(target, one) for one in implied] + [(one, target) for one in implying]
        linked = [edge for edge in new if await self._link_unless_cycle(*edge)]
        return any(edge[0] == target for edge in linked)

    async def _link_unless_cycle(self, tag: int, implies: int) -> bool:
        if self._implications.would_close_cycle(tag, implies) or implies in self._implications.implied_by(tag):
            return False
        await self._link(tag, implies)
        return True

    async def _link(self, tag: int, implies: int) -> None:
        self._implications.add(tag, implies)
        await self._session.execute(insert(TagImplication).values(tag_id=tag, implied_tag_id=implies))

    async def _unlink(self, tag: int, implies: int) -> None:
        self._implications.remove(tag, implies)
        edge = (TagImplication.tag_id == tag, TagImplication.implied_tag_id == implies)
        await self._session.execute(delete(TagImplication).where(*edge))

    async def _for_images_with(
        self, tag: int, change: Callable[[list[uuid.UUID]], Awaitable[None]] | None = None
    ) -> None:
        """Go through the images with a tag, change each batch, and have its implied tags follow."""
        after = uuid.UUID(int=0)
        while True:
            statement = select(Tagged.image).where(Tagged.tag == tag, Tagged.image > after)
            images = (await self._session.scalars(statement.order_by(Tagged.image).limit(BATCH))).all()
            if not images:
                return
            after = images[-1]
            locked = await self._image_tags.lock_images(images)
            if change:
                await change(locked)
            await self._image_tags.recompute_implied(locked)

    async def _keep_listed(self, target: int, sources: Sequence[int]) -> None:
        """Have a tag listed where one of the tags whose names it takes over was."""
        was_listed = exists().where(Tag.id.in_(sources), Tag.is_listed).correlate(None)
        await self._session.execute(update(Tag).where(Tag.id == target, was_listed).values(is_listed=True))

    async def _get_named(self, name: str) -> int:
        """Return the tag of this very name: what changes or destroys a tag is not done through an alias of it."""
        found = await TagRepository(self._session).find(name)
        if found is None:
            raise TagNotFound
        if found.name != name:
            raise TagIsAlias(f"{name} is an alias of {found.name}", alias_of=found.name)
        return found.id

    async def _get(self, name: str) -> int:
        tag = await TagRepository(self._session).find_id(name)
        if tag is None:
            raise TagNotFound
        return tag

    async def _lock(self, tags: set[int]) -> None:
        """Wait for transactions that use these tags, and lock them against others until the commit."""
        await self._session.execute(select(Tag.id).where(Tag.id.in_(tags)).order_by(Tag.id).with_for_update())

    async def _is_used(self, tag: int) -> bool:
        edges = or_(TagImplication.tag_id == tag, TagImplication.implied_tag_id == tag)
        uses = [exists().where(Tagged.tag == tag), exists().where(edges), exists().where(Tag.alias_of == tag)]
        return bool(await self._session.scalar(select(or_(*uses))))

    @staticmethod
    def _refuse_cycle() -> NoReturn:
        raise ValidationFailed.at(["body", "implies"], "The implications would form a cycle.")
