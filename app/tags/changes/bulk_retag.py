"""The batches before a merge or a deletion of a tag: the images with the explicit tag are retagged.

Each batch is a transaction and an ordinary change of images' tags, after which all data is consistent. After an
interruption some images have the one tag and some the other, all of them found and counted; a repeated request
continues. The rest is done by the change itself, in one transaction (`TagChange`).
"""

import uuid

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import DatabaseBusy
from app.db.cache_invalidation import LISTS, image_scope, invalidates_only
from app.db.database import Database
from app.tags.changes.change_origin import BY_HAND, ChangeOrigin
from app.tags.image_tag_repository import ImageTagRepository
from app.tags.repository import TagRepository

BATCH = 1000


async def retag_in_batches(database: Database, name: str, into: str | None, origin: ChangeOrigin = BY_HAND) -> None:
    """Replace an explicit tag by `into`, or remove it, until less than a batch of images is left.

    Does nothing if a tag is unknown, if `name` is an alias, or if `into` does not imply all that the tag implies: the
    images would lack those tags. Raises DatabaseBusy.
    """
    after: uuid.UUID | None = uuid.UUID(int=0)
    while after is not None:
        async with database.unit_of_work() as session:
            after = await retag_batch(session, name, into, after, origin)


async def retag_batch(
    session: AsyncSession, name: str, into: str | None, after: uuid.UUID, origin: ChangeOrigin = BY_HAND
) -> uuid.UUID | None:
    """Retag the first BATCH images after this id; return the last id, or None if there are fewer."""
    image_tags, tag = ImageTagRepository(session, origin), await TagRepository(session).find_id_by_exact_name(name)
    target = None if into is None else await TagRepository(session).find_id(into)
    if tag is None or tag == target or (into is not None and target is None):
        return None
    if into is not None:
        # The lock keeps its meaning until the commit.
        locked_tags = await image_tags.lock_tags([into])
        if locked_tags is None:
            raise DatabaseBusy
        if await TagRepository(session).list_implied_ids(tag) - {*locked_tags.explicit, *locked_tags.implied}:
            return None
    await image_tags.set_origin()
    images = await image_tags.list_image_ids(tag, after, BATCH, only_explicit=True)
    if len(images) < BATCH:
        return None
    locked = await image_tags.lock_images(images)
    with invalidates_only(session, LISTS, *map(image_scope, locked)):
        await image_tags.replace_tag(tag, target, locked)
        await image_tags.recompute_implied(locked)
    return images[-1]
