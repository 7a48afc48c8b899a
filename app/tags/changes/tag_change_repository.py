"""The SQL of changes of tags by admins."""

import uuid
from collections.abc import Collection, Sequence

from sqlalchemy import ARRAY, String, Uuid, bindparam, delete, exists, insert, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.database import set_lock_timeout
from app.models import Tag, TagCountDelta, Tagged, TagImplication
from app.tags.changes.link_plan import NamedTag

_ADVISORY_LOCK = 0x746167  # "tag"
# Two events for each image: a client that replays the names of the events gets the names of its tags. The order of the
# ids is that of the removal and the addition.
_APPEND_RENAME_EVENTS = text("""
    INSERT INTO tag_events (
        image, tag_id, tag, change, was_explicit, is_explicit, source, batch, actor, credential, request_id
    )
    SELECT t.image, t.tag, step.tag, step.change,
        CASE WHEN step.change < 0 THEN t.is_explicit END, CASE WHEN step.change > 0 THEN t.is_explicit END,
        'rename', (origin ->> 'batch')::uuid, (origin ->> 'actor')::uuid, (origin ->> 'credential')::uuid,
        origin ->> 'request_id'
    FROM tagged t, (VALUES (:name, -1), (:new_name, 1)) AS step(tag, change),
        CAST(current_setting('imts.tag_change') AS jsonb) AS origin
    WHERE t.tag = :tag AND t.image = ANY(:images)
    ORDER BY t.image, step.change""").bindparams(
    bindparam("images", type_=ARRAY(Uuid)),
    bindparam("name", type_=String),
    bindparam("new_name", type_=String),
)


class TagChangeRepository:
    """Changes tags, aliases and implications. The callers hold the lock of `lock_changes`."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def lock_changes(self) -> None:
        """Lock all changes of tags until the commit. Raises DatabaseBusy."""
        await set_lock_timeout(self._session)
        await self._session.execute(text(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})"))
        # A running change does not fail because of a short lock on one of very many images.
        await set_lock_timeout(self._session, briefly=False)

    async def lock_tags(self, tags: Collection[int]) -> None:
        """Wait for transactions that use these tags, and lock them against others until the commit."""
        await self._session.execute(select(Tag.id).where(Tag.id.in_(tags)).order_by(Tag.id).with_for_update())

    async def list_implications(self) -> list[tuple[int, int]]:
        """Return all implications, as pairs of a tag and an implied one."""
        rows = await self._session.execute(select(TagImplication.tag_id, TagImplication.implied_tag_id))
        return [(row.tag_id, row.implied_tag_id) for row in rows]

    async def list_by_name(self, names: Collection[str]) -> list[NamedTag]:
        """Return the tags and aliases with these names."""
        rows = await self._session.execute(select(Tag.id, Tag.name, Tag.alias_of).where(Tag.name.in_(names)))
        return [NamedTag(*row) for row in rows]

    async def is_used(self, tag: int) -> bool:
        """Return whether the tag has images, implications or aliases."""
        edges = or_(TagImplication.tag_id == tag, TagImplication.implied_tag_id == tag)
        uses = [exists().where(Tagged.tag == tag), exists().where(edges), exists().where(Tag.alias_of == tag)]
        return bool(await self._session.scalar(select(or_(*uses))))

    async def rename(self, tag: int, name: str) -> None:
        """Rename a tag; an alias of it with the new name is deleted."""
        await self._session.execute(delete(Tag).where(Tag.name == name, Tag.alias_of == tag))
        await self._session.execute(update(Tag).where(Tag.id == tag).values(name=name))

    async def append_rename_events(self, tag: int, name: str, new_name: str, images: Sequence[uuid.UUID]) -> None:
        """Record the removal of the old name and the addition of the new one on locked images with the tag."""
        values = {"tag": tag, "name": name, "new_name": new_name, "images": images}
        await self._session.execute(_APPEND_RENAME_EVENTS, values)

    async def remove(self, tag: int) -> None:
        await self._session.execute(delete(Tag).where(Tag.id == tag))

    async def make_alias(self, tag: int, target: int) -> None:
        """Make a tag and its aliases aliases of the target."""
        await self._session.execute(update(Tag).where(Tag.alias_of == tag).values(alias_of=target))
        await self._session.execute(update(Tag).where(Tag.id == tag).values(alias_of=target))

    async def list_by_id(self, ids: Collection[int]) -> list[NamedTag]:
        """Return the tags and aliases with these ids."""
        rows = await self._session.execute(select(Tag.id, Tag.name, Tag.alias_of).where(Tag.id.in_(ids)))
        return [NamedTag(*row) for row in rows]

    async def find(self, tag: int) -> NamedTag | None:
        """Return the tag or alias with this id."""
        return next(iter(await self.list_by_id([tag])), None)

    async def restore(self, tag: int, name: str) -> bool:
        """Create a deleted tag again under its id, unless the id or the name is in use. Returns whether it did."""
        used = select(Tag.id).where(or_(Tag.id == tag, Tag.name == name)).limit(1)
        if await self._session.scalar(used) is not None:
            return False
        # Changes of the count of the deleted row, which are not compacted yet.
        await self._session.execute(delete(TagCountDelta).where(TagCountDelta.tag_id == tag))
        added = pg_insert(Tag).values(id=tag, name=name).on_conflict_do_nothing().returning(Tag.id)
        return await self._session.scalar(added) is not None

    async def restore_alias(self, alias: int, name: str, tag: int) -> None:
        """Make a deleted alias, or one of another tag, an alias of this tag."""
        statement = pg_insert(Tag).values(id=alias, name=name, alias_of=tag)
        await self._session.execute(statement.on_conflict_do_update(index_elements=["id"], set_={"alias_of": tag}))

    async def separate(self, alias: int) -> None:
        """Make an alias a tag of its own."""
        await self._session.execute(update(Tag).where(Tag.id == alias).values(alias_of=None))

    async def replace_aliases(self, tag: int, aliases: Sequence[str]) -> None:
        """Delete the other aliases of a tag, and create or redirect these."""
        await self._session.execute(delete(Tag).where(Tag.alias_of == tag, Tag.name.not_in(aliases)))
        if aliases:
            statement = pg_insert(Tag).values([{"name": alias, "alias_of": tag} for alias in sorted(aliases)])
            upsert = statement.on_conflict_do_update(index_elements=["name"], set_={"alias_of": tag})
            await self._session.execute(upsert)

    async def inherit_listing(self, target: int, sources: Sequence[int]) -> None:
        """List a tag if one of the tags was listed whose names it takes over."""
        was_listed = exists().where(Tag.id.in_(sources), Tag.is_listed).correlate(None)
        await self._session.execute(update(Tag).where(Tag.id == target, was_listed).values(is_listed=True))

    async def add_implication(self, tag: int, implies: int) -> None:
        await self._session.execute(insert(TagImplication).values(tag_id=tag, implied_tag_id=implies))

    async def remove_implication(self, tag: int, implies: int) -> None:
        edge = (TagImplication.tag_id == tag, TagImplication.implied_tag_id == implies)
        await self._session.execute(delete(TagImplication).where(*edge))

    async def remove_implications(self, tag: int) -> None:
        """Delete all implications of and by a tag."""
        edges = or_(TagImplication.tag_id == tag, TagImplication.implied_tag_id == tag)
        await self._session.execute(delete(TagImplication).where(edges))
