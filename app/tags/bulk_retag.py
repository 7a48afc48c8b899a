"""What comes before a tag is merged or deleted: the images that were given it by hand let go of it, lot by lot.

Each lot is a transaction of its own and an ordinary change of images' tags, after which everything is right: who is
interrupted has some images with the tag and some with the other one, all of them found and counted, and goes on by
asking again. What is left is for the change itself, which is one transaction (`TagAdminService`).
"""

import uuid
from collections.abc import Sequence

from sqlalchemy import delete, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import DatabaseBusy
from app.db.cache_invalidation import LISTS, image_scope, invalidates_only
from app.db.database import Database
from app.models import Tagged, TagImplication
from app.tags.image_tag_repository import ImageTagRepository
from app.tags.repository import TagRepository

BATCH = 1000

# In one statement: after it the triggers bring each image's shadow up to date once, not twice.
_MOVE = text("""
    WITH moved AS (
        INSERT INTO tagged (tag, image, is_explicit)
        SELECT :into, image, true FROM tagged WHERE tag = :tag AND is_explicit AND image = ANY(:images)
        ON CONFLICT (tag, image) DO UPDATE SET is_explicit = true WHERE NOT tagged.is_explicit
    ) DELETE FROM tagged WHERE tag = :tag AND image = ANY(:images)""")


async def retag_in_batches(database: Database, name: str, into: str | None) -> None:
    """Give the images that have a tag by hand the other one instead, or none; less than a lot of them is left.

    Nothing is done where a tag is not known, where the first name is an alias, nor while the other one does not imply
    what it does: the images would lack that. Raises DatabaseBusy.
    """
    after: uuid.UUID | None = uuid.UUID(int=0)
    while after is not None:
        async with database.unit_of_work() as session:
            after = await retag_batch(session, name, into, after)


async def retag_batch(session: AsyncSession, name: str, into: str | None, after: uuid.UUID) -> uuid.UUID | None:
    """Do so for the first 1,000 images after this one; return the last of them, None where they are not so many."""
    image_tags, tag = ImageTagRepository(session), await TagRepository(session).find_id_by_exact_name(name)
    target = None if into is None else await TagRepository(session).find_id(into)
    if tag is None or tag == target or (into is not None and target is None):
        return None
    if into is not None:
        # Its target keeps its meaning until the commit.
        locked_tags = await image_tags.lock_tags([into])
        if locked_tags is None:
            raise DatabaseBusy
        if await _list_implied(session, tag) - {*locked_tags.explicit, *locked_tags.implied}:
            return None
    given = select(Tagged.image).where(Tagged.tag == tag, Tagged.is_explicit, Tagged.image > after)
    images = (await session.scalars(given.order_by(Tagged.image).limit(BATCH))).all()
    if len(images) < BATCH:
        return None
    locked = await image_tags.lock_images(images)
    with invalidates_only(session, LISTS, *map(image_scope, locked)):
        await replace_tag(session, tag, target, locked)
        await image_tags.recompute_implied(locked)
    return images[-1]


async def replace_tag(session: AsyncSession, tag: int, target: int | None, images: Sequence[uuid.UUID]) -> None:
    """Take a tag off these images and give the other one to those that had it by hand. They are locked."""
    if target is None:
        await session.execute(delete(Tagged).where(Tagged.tag == tag, Tagged.image.in_(images)))
    else:
        await session.execute(_MOVE, {"tag": tag, "into": target, "images": images})


async def _list_implied(session: AsyncSession, tag: int) -> set[int]:
    return set(await session.scalars(select(TagImplication.implied_tag_id).where(TagImplication.tag_id == tag)))
