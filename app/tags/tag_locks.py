"""Transactions that lock tags. None waits for a lock: it ends, and another one begins later."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import DatabaseBusy
from app.db.database import Database
from app.tags.changes.change_origin import BY_HAND, ChangeOrigin
from app.tags.image_tag_repository import ImageTagRepository, LockedTags
from app.tags.tag_creator import TagCreator

# A change of a tag that very many images have takes minutes. The attempts end after about two seconds.
_WAITS = (0.0, 0.0, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)


Locks = TypeVar("Locks")


@asynccontextmanager
async def with_locks(
    database: Database,
    lock: Callable[[AsyncSession], Awaitable[Locks | None]],
    prepare: Callable[[], Awaitable[None]] | None = None,
) -> AsyncIterator[tuple[AsyncSession, Locks]]:
    """Yield a transaction and what `lock` returns in it; None means that a tag is missing or being changed.

    `prepare` runs between two attempts. Raises DatabaseBusy after two seconds; no connection is held meanwhile.
    """
    for seconds in _WAITS:
        await asyncio.sleep(seconds)
        async with database.unit_of_work() as session:
            locks = await lock(session)
            if locks is not None:
                yield session, locks
                return
        if prepare is not None:
            await prepare()
    raise DatabaseBusy


@asynccontextmanager
async def with_locked_tags(
    names: Sequence[str],
    tag_creator: TagCreator,
    private_to: uuid.UUID | None = None,
    *,
    origin: ChangeOrigin = BY_HAND,
) -> AsyncIterator[tuple[AsyncSession, LockedTags]]:
    """Yield a transaction in which these tags exist and are locked. Missing ones are created.

    They are created in a transaction of their own, so that others do not wait for this commit. With `private_to`, only
    that account sees a new one before a public image has it. Changes of images' tags have the given origin.

    Raises DatabaseBusy when one is being changed for more than two seconds. Raises TooManyRequests when the caller has
    created too many tags.
    """

    async def lock(session: AsyncSession) -> LockedTags | None:
        return await ImageTagRepository(session, origin).lock_tags(names)

    async def create_missing() -> None:
        # Usually all of them exist.
        await tag_creator.ensure(names, private_to)

    async with with_locks(tag_creator.database, lock, create_missing) as locked:
        yield locked
