"""The tags of images: explicit ones, and those that explicit ones imply.

Implied rows are a function of the explicit rows and of the implications. All transactions take locks in one order, tags
before images and each by id, so that none deadlock:

* A change of images' tags locks the tags against administration (`FOR KEY SHARE`, so that such changes do not wait for
  each other), then the images.
* The administration of tags locks the tags whose meaning changes (`FOR UPDATE`), then the images, batch by batch.
"""

import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import ARRAY, Integer, String, Uuid, bindparam, delete, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import ValidationFailed
from app.core.text.tag_names import MAX_TAGS_PER_IMAGE
from app.models import Tag, Tagged
from app.tags.changes.change_origin import BY_HAND, SET_ORIGIN, ChangeOrigin, set_origin
from app.tags.errors import TagImplied, TagNotFound
from app.tags.repository import TagRepository

# The other half of the 100 is reserved for the owner.
MAX_TAGS_BY_GUESTS = MAX_TAGS_PER_IMAGE // 2
_RESERVED = f"Only the owner may give an image more than {MAX_TAGS_BY_GUESTS} of its {MAX_TAGS_PER_IMAGE} tags."
_IMAGES = bindparam("images", type_=ARRAY(Uuid))
_TAGS = bindparam("tags", type_=ARRAY(Integer))

# The ids first: PostgreSQL reads all tags for "has this name, or has that id".
# The origin is set in the same statement, because a change of one image mostly waits for round trips.
_LOCK_TAGS = text(f"""
    SELECT id, name, alias_of FROM tags
    WHERE id = ANY(ARRAY(SELECT unnest(ARRAY[id, alias_of]) FROM tags WHERE name = ANY(:names)))
    AND (SELECT {SET_ORIGIN}) IS NOT NULL
    ORDER BY id FOR KEY SHARE SKIP LOCKED""").bindparams(bindparam("names", type_=ARRAY(String)))  # noqa: S608
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
# One statement, so that each removed tag writes one event, and the triggers update each image's `tag_ids` once. A tag
# that another explicit tag of the image implies stays as an implied one.
_REMOVE = """
    WITH RECURSIVE wanted(image, tag) AS (
        SELECT t.image, i.implied_tag_id FROM tagged t JOIN tag_implications i ON i.tag_id = t.tag
        WHERE t.image = ANY(:images) AND t.is_explicit AND NOT ({is_removed})
        UNION SELECT w.image, i.implied_tag_id FROM wanted w JOIN tag_implications i ON i.tag_id = w.tag
    ), demoted AS (
        UPDATE tagged t SET is_explicit = false FROM wanted w
        WHERE t.image = ANY(:images) AND t.is_explicit AND ({is_removed}) AND w.image = t.image AND w.tag = t.tag
    )
    DELETE FROM tagged t WHERE t.image = ANY(:images) AND (NOT t.is_explicit OR {is_removed})
    AND NOT EXISTS (SELECT FROM wanted w WHERE w.image = t.image AND w.tag = t.tag)"""
_REMOVE_EXPLICIT = text(_REMOVE.format(is_removed="t.tag = ANY(:tags)")).bindparams(_IMAGES, _TAGS)
_REMOVE_OTHER_EXPLICIT = text(_REMOVE.format(is_removed="t.tag <> ALL(:tags)")).bindparams(_IMAGES, _TAGS)
_PAIRS = (bindparam("changed_images", type_=ARRAY(Uuid)), bindparam("changed_tags", type_=ARRAY(Integer)))
_ADD_PAIRS = text("""
    INSERT INTO tagged (tag, image, is_explicit)
    SELECT tag, image, true FROM unnest(:changed_tags, :changed_images) AS added(tag, image)
    ON CONFLICT (tag, image) DO UPDATE SET is_explicit = true WHERE NOT tagged.is_explicit""").bindparams(*_PAIRS)
_REMOVE_PAIRS = text(
    _REMOVE.format(is_removed="(t.tag, t.image) IN (SELECT * FROM unnest(:changed_tags, :changed_images))")
).bindparams(_IMAGES, *_PAIRS)
_TOO_MANY = text(
    "SELECT image FROM tagged WHERE image = ANY(:images) AND is_explicit GROUP BY image HAVING count(*) > :most LIMIT 1"
).bindparams(_IMAGES)

_AFFECTED = text("""
    SELECT i.id FROM unnest(:images) AS i(id)
    WHERE EXISTS (SELECT FROM tagged t WHERE t.image = i.id AND t.tag = ANY(:removed) AND t.is_explicit)
    OR cardinality(:added) > (
        SELECT count(*) FROM tagged t WHERE t.image = i.id AND t.tag = ANY(:added) AND t.is_explicit
    )""").bindparams(_IMAGES, bindparam("added", type_=ARRAY(Integer)), bindparam("removed", type_=ARRAY(Integer)))

# One statement: the triggers then update each image's `tag_ids` once, not twice.
_REPLACE_TAG = text("""
    WITH moved AS (
        INSERT INTO tagged (tag, image, is_explicit)
        SELECT :into, image, true FROM tagged WHERE tag = :tag AND is_explicit AND image = ANY(:images)
        ON CONFLICT (tag, image) DO UPDATE SET is_explicit = true WHERE NOT tagged.is_explicit
    ) DELETE FROM tagged WHERE tag = :tag AND image = ANY(:images)""")


class TagOfImage(NamedTuple):
    """A pair of a tag and an image, by their ids."""

    tag: int
    image: uuid.UUID


class LockedTags(NamedTuple):
    """Tags that are locked until the commit: explicit ones, and further ones that they imply."""

    explicit: list[int]
    implied: list[int]

    @property
    def all(self) -> list[int]:
        """All ids, sorted as in `images.tag_ids`."""
        return sorted([*self.explicit, *self.implied])


class ImageTagRepository:
    """The SQL of the tags of images."""

    def __init__(self, session: AsyncSession, origin: ChangeOrigin = BY_HAND) -> None:
        self._session = session
        self._origin = origin

    async def lock_tags(self, names: Sequence[str]) -> LockedTags | None:
        """Lock the tags of these names, aliases resolved, and set the origin of the changes until the commit.

        Returns None if a tag is missing or being changed.
        """
        if not names:
            await self.set_origin()
            return LockedTags([], [])
        values = {"names": names, "origin": self._origin.to_setting()}
        rows = (await self._session.execute(_LOCK_TAGS, values)).all()
        real = {row.id for row in rows if row.alias_of is None}
        named = {row.name: row.alias_of or row.id for row in rows}
        given = {named[name] for name in names if name in named} & real
        if any(named.get(name) not in given for name in names):
            return None
        implied = await self._session.scalars(_CLOSURE, {"tags": sorted(given)})
        return LockedTags(sorted(given), [tag for tag in implied if tag not in given])

    async def set_origin(self) -> None:
        """Set the origin of the changes until the commit, for those that lock no tags by name."""
        await set_origin(self._session, self._origin)

    async def lock_images(self, images: Sequence[uuid.UUID]) -> list[uuid.UUID]:
        """Lock those of the images that exist until the commit; return their ids."""
        return list(await self._session.scalars(_LOCK_IMAGES, {"images": images}))

    async def add_tags(self, images: Sequence[uuid.UUID], locked_tags: LockedTags) -> None:
        """Add explicit tags, and those that they imply. Raises ValidationFailed if an image has too many."""
        await self._add(images, locked_tags)
        if locked_tags.explicit:
            await self._refuse_too_many(images)

    async def add_tags_as_guest(self, image: uuid.UUID, locked_tags: LockedTags) -> None:
        """Add explicit tags to another user's image. Raises ValidationFailed over MAX_TAGS_BY_GUESTS."""
        if await self.list_affected([image], locked_tags.explicit, []):
            await self.add_tags([image], locked_tags)
            if await self._session.scalar(_TOO_MANY, {"images": [image], "most": MAX_TAGS_BY_GUESTS}):
                raise ValidationFailed.at(["body", "tags"], _RESERVED)

    async def remove_tags(self, images: Sequence[uuid.UUID], tags: Sequence[int]) -> None:
        """Remove explicit tags of locked images, and those that only they imply. Tags that others imply stay."""
        await self._session.execute(_REMOVE_EXPLICIT, {"images": images, "tags": tags})

    async def replace_tags(self, image: uuid.UUID, locked_tags: LockedTags) -> None:
        """Replace the explicit tags of a locked image."""
        await self._add([image], locked_tags)
        await self._session.execute(_REMOVE_OTHER_EXPLICIT, {"images": [image], "tags": locked_tags.explicit})
        await self._refuse_too_many([image])

    async def change_explicit(
        self, images: Sequence[uuid.UUID], added: Sequence[TagOfImage], removed: Sequence[TagOfImage]
    ) -> None:
        """Add and remove explicit tags of locked images, different ones for each. The implied tags follow.

        The number of tags of an image is not limited.
        """
        await self._session.execute(_ADD_PAIRS, _pair_values(added))
        await self._session.execute(_REMOVE_PAIRS, {"images": images, **_pair_values(removed)})
        await self._session.execute(_ADD_IMPLIED, {"images": images})

    async def remove_tag(self, image: uuid.UUID, name: str) -> None:
        """Remove one tag of a locked image. Raises TagNotFound; TagImplied if another tag implies it."""
        tag = await TagRepository(self._session).find_id(name)
        found = await self._session.get(Tagged, {"tag": tag, "image": image}) if tag is not None else None
        if tag is None or found is None:
            raise TagNotFound("The image does not have this tag")
        if not found.is_explicit:
            raise TagImplied
        await self.remove_tags([image], [tag])

    async def list_image_ids(
        self, tag: int, after: uuid.UUID, limit: int, *, only_explicit: bool = False
    ) -> Sequence[uuid.UUID]:
        """Return up to `limit` images with a tag, by id, after this id."""
        statement = select(Tagged.image).where(Tagged.tag == tag, Tagged.image > after)
        if only_explicit:
            statement = statement.where(Tagged.is_explicit)
        return (await self._session.scalars(statement.order_by(Tagged.image).limit(limit))).all()

    async def replace_tag(self, tag: int, target: int | None, images: Sequence[uuid.UUID]) -> None:
        """Remove a tag from locked images; those that had it explicitly get `target`."""
        if target is None:
            await self._session.execute(delete(Tagged).where(Tagged.tag == tag, Tagged.image.in_(images)))
        else:
            await self._session.execute(_REPLACE_TAG, {"tag": tag, "into": target, "images": images})

    async def list_explicit_names(self, images: Sequence[uuid.UUID]) -> list[str]:
        """Return the names of the explicit tags of these images, sorted, each once."""
        names = select(Tag.name).join(Tagged, Tagged.tag == Tag.id).where(Tagged.image.in_(images), Tagged.is_explicit)
        return list(await self._session.scalars(names.distinct().order_by(Tag.name)))

    async def list_affected(
        self, images: Sequence[uuid.UUID], added: Sequence[int], removed: Sequence[int]
    ) -> list[uuid.UUID]:
        """Return those of the images that lack one explicit tag of `added`, or have one of `removed`."""
        values = {"images": images, "added": added, "removed": removed}
        return list(await self._session.scalars(_AFFECTED, values))

    async def recompute_implied(self, images: Sequence[uuid.UUID]) -> None:
        """Recompute the implied tags of locked images from their explicit ones."""
        await self._session.execute(_ADD_IMPLIED, {"images": images})
        await self._session.execute(_REMOVE_STALE_IMPLIED, {"images": images})

    async def _add(self, images: Sequence[uuid.UUID], locked_tags: LockedTags) -> None:
        if locked_tags.explicit:
            await self._session.execute(_ADD_EXPLICIT, {"images": images, "tags": locked_tags.explicit})
        if locked_tags.implied:
            await self._session.execute(_ADD_CLOSURE, {"images": images, "tags": locked_tags.implied})

    async def _refuse_too_many(self, images: Sequence[uuid.UUID]) -> None:
        if await self._session.scalar(_TOO_MANY, {"images": images, "most": MAX_TAGS_PER_IMAGE}):
            raise ValidationFailed.at(["body", "tags"], f"An image can have at most {MAX_TAGS_PER_IMAGE} tags.")


def _pair_values(pairs: Sequence[TagOfImage]) -> dict[str, Any]:
    return {"changed_tags": [pair.tag for pair in pairs], "changed_images": [pair.image for pair in pairs]}
