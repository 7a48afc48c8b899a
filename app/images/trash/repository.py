"""SQL of the trash.

A deletion locks the owners of the images, then the images. A restore locks tags, then rows of the trash. Each locks its
rows in the order of their ids. The deletion of an account locks the account before it looks for trashed images, so none
is left behind.
"""

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Integer,
    String,
    Uuid,
    bindparam,
    delete,
    func,
    literal_column,
    select,
    text,
    true,
)
from sqlalchemy.ext.asyncio import AsyncSession

from app.authz.principal import Principal
from app.authz.visibility import visibility_scope
from app.db.cache_invalidation import LISTS, image_scope, invalidates_only
from app.db.database import set_lock_timeout
from app.db.keyset import Position, newest_first
from app.images.errors import ImageNotFound
from app.images.maintenance.orphan_repository import OrphanRepository
from app.images.storage_keys import object_keys
from app.models import Image, TrashedImage
from app.tags.changes.change_origin import BY_HAND, SET_ORIGIN

# The columns that a restore needs: the others are computed.
_COLUMNS = ", ".join(
    column.name for column in Image.__table__.columns if column.computed is None and column.name != "tag_ids"
)
_IDS = bindparam("ids", type_=ARRAY(Uuid))
_LOCK_OWNERS = text("""
    SELECT id FROM users WHERE id = ANY(ARRAY(SELECT uploaded_by FROM images WHERE id = ANY(:ids)))
    ORDER BY id FOR KEY SHARE""").bindparams(_IDS)
# One statement, so that all parts see the same rows.
_TRASH = text(f"""
    WITH moved AS (
        INSERT INTO trashed_images ({_COLUMNS}, trashed_by, batch)
        SELECT {_COLUMNS}, :trashed_by, :batch FROM images WHERE id = ANY(:ids)
    ), moved_tags AS (
        INSERT INTO trashed_tags (image, tag, created_at, is_explicit)
        SELECT image, tag, created_at, is_explicit FROM tagged WHERE image = ANY(:ids)
    )
    DELETE FROM images WHERE id = ANY(:ids)""").bindparams(  # noqa: S608 - of constants, as below
    _IDS, bindparam("trashed_by", type_=Uuid), bindparam("batch", type_=Uuid)
)
_EXPLICIT = "SELECT tag FROM trashed_tags WHERE image = ANY(:ids) AND is_explicit"
_LOCK_TAGS = text(
    f"SELECT id FROM tags WHERE id = ANY(ARRAY({_EXPLICIT})) ORDER BY id FOR KEY SHARE SKIP LOCKED"  # noqa: S608
).bindparams(_IDS)
# Tags that were locked by others, or that replaced a merged one meanwhile.
_HAS_UNLOCKED_TAG = text(
    f"SELECT EXISTS (SELECT FROM tags WHERE id = ANY(ARRAY({_EXPLICIT})) AND id <> ALL(:locked))"  # noqa: S608
).bindparams(_IDS, bindparam("locked", type_=ARRAY(Integer)))
# In the order of the names: two restores of the same names do not wait for each other in a circle.
_RESTORE_IMAGES = text(f"""
    INSERT INTO images ({_COLUMNS})
    SELECT {_COLUMNS.replace("name", "coalesce(:name, name)", 1)} FROM trashed_images WHERE id = ANY(:ids)
    ORDER BY name, trashed_at DESC, id ON CONFLICT (name) DO NOTHING RETURNING id""").bindparams(  # noqa: S608
    _IDS, bindparam("name", type_=String)
)
# The restored images get the tags that are implied now. A tag that was deleted is in neither part.
_RESTORE_TAGS = text("""
    WITH RECURSIVE wanted(image, tag) AS (
        SELECT t.image, t.tag FROM trashed_tags t JOIN tags ON tags.id = t.tag
        WHERE t.image = ANY(:ids) AND t.is_explicit
        UNION SELECT w.image, i.implied_tag_id FROM wanted w JOIN tag_implications i ON i.tag_id = w.tag
    )
    INSERT INTO tagged (tag, image, created_at, is_explicit)
    SELECT w.tag, w.image, coalesce(t.created_at, now()), coalesce(t.is_explicit, false)
    FROM wanted w LEFT JOIN trashed_tags t USING (image, tag)""").bindparams(_IDS)
# As in the order of `_RESTORE_IMAGES`.
_WITH_TAKEN_NAMES = text("""
    SELECT id FROM (
        SELECT id, name, row_number() OVER (PARTITION BY name ORDER BY trashed_at DESC, id) AS position
        FROM trashed_images WHERE id = ANY(:ids)
    ) AS trashed
    WHERE position > 1 OR EXISTS (SELECT FROM images WHERE images.name = trashed.name)""").bindparams(_IDS)
# A restored tag is no change of the image's tags. A tag that was deleted or implied meanwhile is one.
_PAUSE_HISTORY = text(f"SELECT set_config('imts.tag_history', 'off', true), {SET_ORIGIN}")
_APPEND_TAG_EVENTS = text("""
    SELECT append_tag_transitions(
        array_agg(image), array_agg(tag), array_agg(old.is_explicit), array_agg(new.is_explicit)
    )
    FROM (SELECT image, tag, is_explicit FROM trashed_tags WHERE image = ANY(:ids)) AS old
    FULL JOIN (SELECT image, tag, is_explicit FROM tagged WHERE image = ANY(:ids)) AS new USING (image, tag)
    WHERE old.is_explicit IS DISTINCT FROM new.is_explicit""").bindparams(_IDS)
_TAG_NAMES = """
    ARRAY(
        SELECT t.name FROM trashed_tags JOIN tags t ON t.id = trashed_tags.tag
        WHERE trashed_tags.image = trashed_images.id ORDER BY 1
    )"""
_LOCK_OWNED = text("""
    SELECT id, storage_key FROM trashed_images
    WHERE id = ANY(ARRAY(SELECT id FROM trashed_images WHERE uploaded_by = :owner LIMIT :limit)) ORDER BY id FOR UPDATE
""")
_LOCK_EXPIRED = text("""
    SELECT id, storage_key FROM trashed_images WHERE trashed_at < :before
    ORDER BY trashed_at, id LIMIT :limit FOR UPDATE SKIP LOCKED""")


class TaggedTrashedImage(NamedTuple):
    """An image in the trash and its sorted tags."""

    image: TrashedImage
    tags: list[str]


class TrashRepository:
    """The SQL of the trash."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def lock_owners(self, images: Collection[uuid.UUID]) -> None:
        """Keep the owners of images from being deleted until the commit. Precedes the lock on the images.

        Raises DatabaseBusy.
        """
        await set_lock_timeout(self._session)
        await self._session.execute(_LOCK_OWNERS, {"ids": images})

    async def add(
        self, images: Collection[uuid.UUID], trashed_by: uuid.UUID | None, batch: uuid.UUID | None = None
    ) -> None:
        """Move images, which are locked, and their tags to the trash."""
        with invalidates_only(self._session, LISTS, *map(image_scope, images)):
            await self._session.execute(_TRASH, {"ids": images, "trashed_by": trashed_by, "batch": batch})

    async def list_newest(
        self, principal: Principal, batch: uuid.UUID | None, after: Position | None, limit: int
    ) -> list[TaggedTrashedImage]:
        """Return up to `limit` images of the principal's trash, the last deleted first; with `batch`, only of it."""
        statement = select(TrashedImage, literal_column(_TAG_NAMES, ARRAY(String))).where(_is_in_trash_of(principal))
        if batch is not None:
            statement = statement.where(TrashedImage.batch == batch)
        page = newest_first(statement, TrashedImage, after, limit, TrashedImage.trashed_at)
        return [TaggedTrashedImage(*row) for row in (await self._session.execute(page)).all()]

    async def list_ids(self, images: Collection[uuid.UUID], principal: Principal) -> Sequence[uuid.UUID]:
        """Return the ids of those of the images that are in the principal's trash."""
        statement = select(TrashedImage.id).where(TrashedImage.id.in_(images), _is_in_trash_of(principal))
        return (await self._session.scalars(statement)).all()

    async def list_with_taken_names(self, images: Collection[uuid.UUID]) -> Sequence[uuid.UUID]:
        """Return the ids of those of the images that `restore` would not restore."""
        return (await self._session.scalars(_WITH_TAKEN_NAMES, {"ids": images})).all()

    async def lock_tags(self, images: Collection[uuid.UUID]) -> bool:
        """Lock the explicit tags of trashed images until the commit. Returns False if one is being changed."""
        locked = (await self._session.scalars(_LOCK_TAGS, {"ids": images})).all()
        return not await self._session.scalar(_HAS_UNLOCKED_TAG, {"ids": images, "locked": locked})

    async def lock_images(self, images: Collection[uuid.UUID], principal: Principal) -> Sequence[TrashedImage]:
        """Lock and return those of the images that are in the principal's trash. Raises DatabaseBusy."""
        await set_lock_timeout(self._session)
        statement = select(TrashedImage).where(TrashedImage.id.in_(images), _is_in_trash_of(principal))
        return (await self._session.scalars(statement.order_by(TrashedImage.id).with_for_update())).all()

    async def get_for_change(self, image_id: uuid.UUID, principal: Principal) -> TrashedImage:
        """Return the image, locked until the commit. Raises ImageNotFound if it is not in the principal's trash."""
        images = await self.lock_images([image_id], principal)
        if not images:
            raise ImageNotFound
        return images[0]

    async def restore(self, images: Collection[uuid.UUID], name: str | None = None) -> list[uuid.UUID]:
        """Move images, which are locked like their tags, back from the trash, except those whose names are taken.

        With `name`, a single image gets that name. Return the ids of the restored images.
        """
        await self._session.execute(_PAUSE_HISTORY, {"origin": BY_HAND.to_setting()})
        with invalidates_only(self._session, LISTS, *map(image_scope, images)):
            restored = list(await self._session.scalars(_RESTORE_IMAGES, {"ids": images, "name": name}))
            await self._session.execute(_RESTORE_TAGS, {"ids": restored})
            await self._session.execute(_APPEND_TAG_EVENTS, {"ids": restored})
        await self._session.execute(delete(TrashedImage).where(TrashedImage.id.in_(restored)))
        return restored

    async def remove(self, image: TrashedImage) -> None:
        """Delete an image, which is locked, permanently, and mark its objects as orphaned."""
        await self._remove([image.id], [image.storage_key])

    async def remove_owned(self, owner: uuid.UUID, limit: int) -> list[str]:
        """Delete up to `limit` images of an account permanently; return the keys of their originals.

        Raises DatabaseBusy.
        """
        await set_lock_timeout(self._session)
        rows = (await self._session.execute(_LOCK_OWNED, {"owner": owner, "limit": limit})).all()
        return await self._remove([row.id for row in rows], [row.storage_key for row in rows])

    async def remove_expired(self, before: datetime, limit: int) -> int:
        """Delete up to `limit` images permanently that were deleted before this time; return their number."""
        rows = (await self._session.execute(_LOCK_EXPIRED, {"before": before, "limit": limit})).all()
        return len(await self._remove([row.id for row in rows], [row.storage_key for row in rows]))

    async def find(self, image_id: uuid.UUID) -> TrashedImage | None:
        """Return the image, regardless of its owner."""
        return await self._session.get(TrashedImage, image_id)

    async def count(self) -> int:
        """Return the number of all images in the trash."""
        return await self._session.scalar(select(func.count()).select_from(TrashedImage)) or 0

    async def list_by_id(self, after: uuid.UUID | None, limit: int) -> Sequence[TrashedImage]:
        """Return up to `limit` images after this id, regardless of their owners."""
        statement = select(TrashedImage).order_by(TrashedImage.id).limit(limit)
        if after is not None:
            statement = statement.where(TrashedImage.id > after)
        return (await self._session.scalars(statement)).all()

    async def has_owned(self, owner: uuid.UUID) -> bool:
        """Return whether the account has images in the trash."""
        owned = select(TrashedImage.id).where(TrashedImage.uploaded_by == owner).limit(1)
        return await self._session.scalar(owned) is not None

    async def _remove(self, ids: Sequence[uuid.UUID], keys: list[str]) -> list[str]:
        if ids:
            await OrphanRepository(self._session).mark_orphaned([one for key in keys for one in object_keys(key)])
            await self._session.execute(delete(TrashedImage).where(TrashedImage.id.in_(ids)))
        return keys


def _is_in_trash_of(principal: Principal) -> ColumnElement[bool]:
    """Return the condition that an image is in the principal's trash: its own images, or all for an admin."""
    return true() if visibility_scope(principal).sees_all else TrashedImage.uploaded_by == principal.id
