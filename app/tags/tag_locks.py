"""A transaction that uses tags: missing ones are created, and all are locked."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import DatabaseBusy
from app.tags.image_tag_repository import ImageTagRepository, LockedTags
from app.tags.tag_creator import TagCreator

# A change of a tag that very many images have takes minutes. The attempts end after about two seconds.
_WAITS = (0.0, 0.0, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)


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
        # Usually all of them exist.
        await tag_creator.ensure(names, private_to)
    raise DatabaseBusy
