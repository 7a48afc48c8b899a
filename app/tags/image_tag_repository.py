"""Which image has which tags: given by hand, or implied by those.

The rows that are implied are a function of those given by hand and of the implications. Locks are taken in one order by
everyone, tags before images and each by id, so that nothing deadlocks:

* who tags holds the tags against a change of the vocabulary (`FOR KEY SHARE`: taggers do not wait for each other), then
  locks the images;
* who changes the vocabulary locks the tags whose meaning changes (`FOR UPDATE`), then the images, batch by batch.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

from sqlalchemy import ARRAY, Integer, String, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import DatabaseBusy, TagImplied, TagNotFound, ValidationFailed
from app.core.text.tag_names import MAX_TAGS_PER_IMAGE
from app.models import Tagged
from app.tags.repository import TagRepository
from app.tags.tag_creator import TagCreator

# A change of a tag that very many images have takes minutes; who wants to use the tag meanwhile is told so in time.
_WAITS = (0.0, 0.0, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
# The owner keeps the other half of the 100, whatever others add.
MAX_TAGS_BY_GUESTS = MAX_TAGS_PER_IMAGE // 2
_RESERVED = f"Only the owner may give an image more than {MAX_TAGS_BY_GUESTS} of its {MAX_TAGS_PER_IMAGE} tags."
_IMAGES = bindparam("images", type_=ARRAY(Uuid))
_TAGS = bindparam("tags", type_=ARRAY(Integer))

# The ids first: PostgreSQL reads all tags for "has this name, or has that id".
_LOCK_TAGS = text("""
    SELECT id, name, alias_of FROM tags
    WHERE id = ANY(ARRAY(SELECT unnest(ARRAY[id, alias_of]) FROM tags WHERE name = ANY(:names)))
    ORDER BY id FOR KEY SHARE SKIP LOCKED""").bindparams(bindparam("names", type_=ARRAY(String)))
_CLOSURE = text("""
    WITH RECURSIVE closure(tag) AS (
        SELECT implied_tag_id FROM tag_implications WHERE tag_id = ANY(:tags)
        UNION SELECT i.implied_tag_id FROM tag_implications i JOIN closure c ON i.tag_id = c.tag
    ) SELECT tag FROM closure ORDER BY tag""").bindparams(_TAGS)
_LOCK_IMAGES = text("SELECT id FROM images WHERE id = ANY(:images) ORDER BY id FOR NO KEY UPDATE").bindparams(_IMAGES)
_ADD_EXPLICIT = text("""
    INSERT INTO tagged (tag, image, is_explicit)
    SELECT tag, image, true FROM unnest(:tags) AS tag, unnest(:images) AS image
    ON CONFLICT (tag, image) DO UPDATE SET is_explicit = true WHERE NOT tagged.is_explicit""").bindparams(
    _IMAGES, _TAGS
)
_ADD_CLOSURE = text("""
    INSERT INTO tagged (tag, image, is_explicit)
    SELECT tag, image, false FROM unnest(:tags) AS tag, unnest(:images) AS image
    ON CONFLICT DO NOTHING""").bindparams(_IMAGES, _TAGS)
_REMOVE_EXPLICIT = text(
    "UPDATE tagged SET is_explicit = false WHERE image = ANY(:images) AND tag = ANY(:tags) AND is_explicit"
).bindparams(_IMAGES, _TAGS)
_REMOVE_OTHER_EXPLICIT = text(
    "UPDATE tagged SET is_explicit = false WHERE image = ANY(:images) AND tag <> ALL(:tags) AND is_explicit"
).bindparams(_IMAGES, _TAGS)
_IMPLIED_CTE = """
    WITH RECURSIVE wanted(image, tag) AS (
        SELECT t.image, i.implied_tag_id FROM tagged t JOIN tag_implications i ON i.tag_id = t.tag
        WHERE t.image = ANY(:images) AND t.is_explicit
        UNION SELECT w.image, i.implied_tag_id FROM wanted w JOIN tag_implications i ON i.tag_id = w.tag
    )"""
_ADD_IMPLIED = text(
    f"{_IMPLIED_CTE} INSERT INTO tagged (tag, image, is_explicit) SELECT tag, image, false FROM wanted "  # noqa: S608
    "ON CONFLICT DO NOTHING"
).bindparams(_IMAGES)
_REMOVE_STALE_IMPLIED = text(
    f"{_IMPLIED_CTE} DELETE FROM tagged t WHERE t.image = ANY(:images) AND NOT t.is_explicit "  # noqa: S608
    "AND NOT EXISTS (SELECT FROM wanted w WHERE w.image = t.image AND w.tag = t.tag)"
).bindparams(_IMAGES)
_TOO_MANY = text(
    "SELECT image FROM tagged WHERE image = ANY(:images) AND is_explicit GROUP BY image HAVING count(*) > :most LIMIT 1"
).bindparams(_IMAGES)

_AFFECTED = text("""
    SELECT i.id FROM unnest(:images) AS i(id)
    WHERE EXISTS (SELECT FROM tagged t WHERE t.image = i.id AND t.tag = ANY(:removed) AND t.is_explicit)
    OR cardinality(:added) > (
        SELECT count(*) FROM tagged t WHERE t.image = i.id AND t.tag = ANY(:added) AND t.is_explicit
    )""").bindparams(_IMAGES, bindparam("added", type_=ARRAY(Integer)), bindparam("removed", type_=ARRAY(Integer)))


class LockedTags(NamedTuple):
    """Tags that keep their meaning until the commit: those named, and what these imply besides."""

    explicit: list[int]
    implied: list[int]

    @property
    def all(self) -> list[int]:
        """Return the ids of all, sorted, as `images.tag_ids` has them."""
        return sorted([*self.explicit, *self.implied])


@asynccontextmanager
async def with_locked_tags(
    names: Sequence[str], tag_creator: TagCreator, private_to: uuid.UUID | None = None
) -> AsyncIterator[tuple[AsyncSession, LockedTags]]:
    """Yield a transaction in which these tags exist and are locked. Missing ones are created.

    They are created in a transaction of their own, so that others do not wait for this commit. With `private_to`, only
    that account sees a new one before a public image has it.

    Raises DatabaseBusy when one is being changed for more than two seconds; no connection is held meanwhile. Raises
    TooManyRequests when the caller has created too many tags.
    """
    for seconds in _WAITS:
        await asyncio.sleep(seconds)
        async with tag_creator.database.unit_of_work() as session:
            locked_tags = await ImageTagRepository(session).lock_tags(names)
            if locked_tags is not None:
                yield session, locked_tags
                return
        # Mostly they are there.
        await tag_creator.ensure(names, private_to)
    raise DatabaseBusy


class ImageTagRepository:
    """All SQL that changes which image has which tags."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def lock_tags(self, names: Sequence[str]) -> LockedTags | None:
        """Lock the tags of these names, aliases resolved; None when one is gone or somebody is changing it."""
        if not names:
            return LockedTags([], [])
        rows = (await self._session.execute(_LOCK_TAGS, {"names": names})).all()
        real = {row.id for row in rows if row.alias_of is None}
        named = {row.name: row.alias_of or row.id for row in rows}
        given = {named[name] for name in names if name in named} & real
        if any(named.get(name) not in given for name in names):
            return None
        implied = await self._session.scalars(_CLOSURE, {"tags": sorted(given)})
        return LockedTags(sorted(given), [tag for tag in implied if tag not in given])

    async def lock_images(self, images: Sequence[uuid.UUID]) -> list[uuid.UUID]:
        """Lock those of the images that are there until the commit."""
        return list(await self._session.scalars(_LOCK_IMAGES, {"images": images}))

    async def add_tags(self, images: Sequence[uuid.UUID], locked_tags: LockedTags) -> None:
        """Tag the images by hand, with what that implies. Raises ValidationFailed where it gets too many."""
        if locked_tags.explicit:
            await self._session.execute(_ADD_EXPLICIT, {"images": images, "tags": locked_tags.explicit})
            await self._refuse_too_many(images)
        if locked_tags.implied:
            await self._session.execute(_ADD_CLOSURE, {"images": images, "tags": locked_tags.implied})

    async def add_tags_as_guest(self, image: uuid.UUID, locked_tags: LockedTags) -> None:
        """Tag another user's image by hand. Raises ValidationFailed where the owner's reserve would be used."""
        if await self.list_affected([image], locked_tags.explicit, []):
            await self.add_tags([image], locked_tags)
            if await self._session.scalar(_TOO_MANY, {"images": [image], "most": MAX_TAGS_BY_GUESTS}):
                raise ValidationFailed.at(["body", "tags"], _RESERVED)

    async def remove_tags(self, images: Sequence[uuid.UUID], tags: Sequence[int]) -> None:
        """Take the tags off that were given by hand; what other tags imply stays. The images are locked."""
        await self._session.execute(_REMOVE_EXPLICIT, {"images": images, "tags": tags})
        await self.recompute_implied(images)

    async def replace_tags(self, image: uuid.UUID, locked_tags: LockedTags) -> None:
        """Have an image tagged by hand with exactly these. It is locked."""
        await self._session.execute(_REMOVE_OTHER_EXPLICIT, {"images": [image], "tags": locked_tags.explicit})
        await self.add_tags([image], locked_tags)
        await self.recompute_implied([image])

    async def remove_tag(self, image: uuid.UUID, name: str) -> None:
        """Take one tag off. The image is locked. Raises TagNotFound, TagImplied where another tag implies it."""
        tag = await TagRepository(self._session).find_id(name)
        found = await self._session.get(Tagged, {"tag": tag, "image": image}) if tag is not None else None
        if tag is None or found is None:
            raise TagNotFound("The image does not have this tag")
        if not found.is_explicit:
            raise TagImplied
        await self.remove_tags([image], [tag])

    async def list_affected(
        self, images: Sequence[uuid.UUID], added: Sequence[int], removed: Sequence[int]
    ) -> list[uuid.UUID]:
        """Return those of the images that lack one of the first tags by hand, or have one of the second so."""
        values = {"images": images, "added": added, "removed": removed}
        return list(await self._session.scalars(_AFFECTED, values))

    async def recompute_implied(self, images: Sequence[uuid.UUID]) -> None:
        """Have the implied tags of the images follow from those given by hand. They are locked."""
        await self._session.execute(_ADD_IMPLIED, {"images": images})
        await self._session.execute(_REMOVE_STALE_IMPLIED, {"images": images})

    async def _refuse_too_many(self, images: Sequence[uuid.UUID]) -> None:
        if await self._session.scalar(_TOO_MANY, {"images": images, "most": MAX_TAGS_PER_IMAGE}):
            raise ValidationFailed.at(["body", "tags"], f"An image can have at most {MAX_TAGS_PER_IMAGE} tags.")
