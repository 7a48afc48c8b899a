"""SQL of the images."""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    String,
    Uuid,
    bindparam,
    delete,
    func,
    literal_column,
    select,
    text,
    true,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from app.authz.principal import Principal
from app.authz.visibility import VisibilityScope, visibility_scope
from app.db.asyncpg_queries import Reader, SessionRunner, Statement, StatementRunner, fetch
from app.db.cache_invalidation import LISTS, image_scope, invalidates_only
from app.db.database import set_lock_timeout
from app.db.keyset import Position
from app.images.errors import ImageNotFound
from app.images.maintenance.orphan_repository import OrphanRepository
from app.images.new_images import NameOwner, NewImageRepository
from app.images.storage_keys import object_keys
from app.media.image_properties import PerceptualHash
from app.media.metadata.photo_metadata import PhotoMetadata
from app.models import Image, TrashedImage
from app.models.image import Visibility
from app.search.strategies.row import IMAGE_COLUMNS, TAG_NAMES, ImageRow
from app.similarity.repository import SimilarityRepository

# Made once: making a statement takes as long as running it.
_BY_ID = select(Image).where(Image.id == bindparam("id", type_=Uuid))
_TAGGED = select(Image, literal_column(TAG_NAMES, ARRAY(String))).where(Image.id == bindparam("id", type_=Uuid))
_ROW = Statement(text(f"SELECT {IMAGE_COLUMNS} FROM images WHERE id = :id"))  # noqa: S608 - of constants

# Locked in the order in which every other change of many images locks them.
_CHOOSE_OWNED = text("""
    WITH chosen AS MATERIALIZED (
        SELECT id FROM images WHERE uploaded_by = :owner AND (created_at, id) > (:created_at, :id)
        ORDER BY created_at, id LIMIT :limit
    )
    SELECT images.id, images.created_at, images.storage_key FROM images JOIN chosen ON chosen.id = images.id
    ORDER BY images.id FOR UPDATE OF images
""")


class Removed(NamedTuple):
    """Where a batch of deleted images ends, None if there was none left; and the keys of their originals."""

    position: Position | None
    keys: list[str]


class ImageHashes(NamedTuple):
    """The perceptual hash of an image, and the SHA-256 of its pixels."""

    perceptual_hash: PerceptualHash
    pixel_sha256: bytes


class TaggedImage(NamedTuple):
    """An image and its sorted tags."""

    image: Image
    tags: list[str]


async def get_row(statements: StatementRunner, image_id: uuid.UUID, principal: Principal) -> ImageRow:
    """Return the image and its tags, for a read without a session. Raises ImageNotFound as `get_visible` does."""
    row = await statements.fetch_one(_ROW, {"id": image_id})
    image = None if row is None else ImageRow._make(row)
    if image is None or not visibility_scope(principal).sees(image):
        raise ImageNotFound
    return image


async def list_rows(reader: Reader, images: Collection[uuid.UUID]) -> dict[uuid.UUID, ImageRow]:
    """Return those of the images that exist, with their sorted tags, regardless of their visibility."""
    statement = f"SELECT {IMAGE_COLUMNS} FROM images WHERE id = ANY($1)"  # noqa: S608 - of constants
    rows = map(ImageRow._make, await fetch(reader, statement, [list(images)]))
    return {row.id: row for row in rows}


class ImageRepository:
    """The SQL of images."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get_visible(self, image_id: uuid.UUID, principal: Principal) -> Image:
        """Return the image. Raises ImageNotFound when there is none or the principal may not see it."""
        image = await self._session.scalar(_BY_ID, {"id": image_id})
        if image is None or not visibility_scope(principal).sees(image):
            raise ImageNotFound
        return image

    async def get_tagged(self, image_id: uuid.UUID, principal: Principal) -> TaggedImage:
        """Return the image and its sorted tags, in one statement. Raises ImageNotFound as `get_visible` does."""
        row = (await self._session.execute(_TAGGED, {"id": image_id})).one_or_none()
        if row is None or not visibility_scope(principal).sees(row[0]):
            raise ImageNotFound
        return TaggedImage(row[0], list(row[1]))

    async def list_tagged(self, images: Collection[uuid.UUID]) -> dict[uuid.UUID, TaggedImage]:
        """Return those of the images that exist, with their sorted tags, regardless of their visibility."""
        statement = select(Image, literal_column(TAG_NAMES, ARRAY(String))).where(Image.id.in_(images))
        return {row[0].id: TaggedImage(row[0], list(row[1])) for row in (await self._session.execute(statement)).all()}

    async def get_for_change(self, image_id: uuid.UUID, principal: Principal) -> Image:
        """Return the image with its row locked until the commit. Raises ImageNotFound, DatabaseBusy."""
        await set_lock_timeout(self._session)
        statement = (
            select(Image)
            .where(Image.id == image_id, visibility_scope(principal).condition())
            .with_for_update(key_share=True)
        )
        image = await self._session.scalar(statement)
        if image is None:
            raise ImageNotFound
        return image

    async def find_by_name(self, name: str) -> NameOwner | None:
        """Return the image of this name, regardless of its visibility."""
        return await NewImageRepository(SessionRunner(self._session)).find_by_name(name)

    async def update(self, image: Image, changes: Mapping[str, Any]) -> None:
        """Change columns of an image whose row is locked. Raises NameTaken."""
        for column, value in changes.items():
            setattr(image, column, value)
        with invalidates_only(self._session, LISTS, image_scope(image.id)):
            await self._session.flush()

    async def remove(self, image: Image) -> None:
        """Delete the row and mark its objects as orphaned, in the same transaction."""
        await OrphanRepository(self._session).mark_orphaned(object_keys(image.storage_key))
        with invalidates_only(self._session, LISTS, image_scope(image.id)):
            await self._session.execute(delete(Image).where(Image.id == image.id))

    async def lock_editable(
        self, images: Collection[uuid.UUID], principal: Principal, *, for_deletion: bool = False
    ) -> Sequence[uuid.UUID]:
        """Lock those of the images that exist and that the principal may change; return their ids. Raises DatabaseBusy.

        A lock for deletion also excludes references to the image.
        """
        await set_lock_timeout(self._session)
        statement = select(Image.id).where(Image.id.in_(images))
        if not principal.is_admin:
            statement = statement.where(Image.uploaded_by == principal.id)
        statement = statement.order_by(Image.id).with_for_update(key_share=not for_deletion)
        return (await self._session.scalars(statement)).all()

    async def count_other_visibility(self, images: Collection[uuid.UUID], visibility: Visibility) -> int:
        """Return the number of those of the images that have another visibility."""
        others = select(func.count()).where(Image.id.in_(images), Image.visibility != visibility)
        return await self._session.scalar(others) or 0

    async def update_visibility(self, images: Collection[uuid.UUID], visibility: Visibility) -> int:
        """Set the visibility of images, which are locked; return the number of those that had another."""
        statement = update(Image).where(Image.id.in_(images), Image.visibility != visibility)
        with invalidates_only(self._session, LISTS, *map(image_scope, images)):
            changed = await self._session.scalars(statement.values(visibility=visibility).returning(Image.id))
        return len(changed.all())

    async def remove_all(self, images: Collection[uuid.UUID]) -> None:
        """Delete images, which are locked, and mark their objects as orphaned."""
        keys = (await self._session.scalars(select(Image.storage_key).where(Image.id.in_(images)))).all()
        await OrphanRepository(self._session).mark_orphaned([one for key in keys for one in object_keys(key)])
        with invalidates_only(self._session, LISTS, *map(image_scope, images)):
            await self._session.execute(delete(Image).where(Image.id.in_(images)))

    async def remove_owned(self, owner: uuid.UUID, after: Position, limit: int) -> Removed:
        """Delete up to `limit` images of the account after the position, and mark their objects as orphaned.

        In the order of an index, from the end of the last batch: rows that are already deleted are not read again.
        Raises DatabaseBusy.
        """
        await set_lock_timeout(self._session)
        values = {"owner": owner, "created_at": after[0], "id": after[1], "limit": limit}
        rows = (await self._session.execute(_CHOOSE_OWNED, values)).all()
        if not rows:
            return Removed(None, [])
        keys = [row.storage_key for row in rows]
        await OrphanRepository(self._session).mark_orphaned([one for key in keys for one in object_keys(key)])
        await self._session.execute(delete(Image).where(Image.id.in_([row.id for row in rows])))
        return Removed(max((row.created_at, row.id) for row in rows), keys)

    async def lock_if_exists(self, image_id: uuid.UUID) -> bool:
        """Return whether the image exists, also in the trash, and keep it from being moved until the commit."""
        # The first once more, for an image that was restored in between.
        for model in (Image, TrashedImage, Image):
            statement = select(model.id).where(model.id == image_id).with_for_update(read=True, key_share=True)
            if await self._session.scalar(statement) is not None:
                return True
        return False

    async def list_oldest_by_sha256(self, digests: Collection[bytes], principal: Principal) -> dict[bytes, uuid.UUID]:
        """Return, by digest, the id of the oldest image that has it and that the principal may see."""
        statement = (
            select(Image.sha256, Image.id)
            .where(Image.sha256.in_(digests), visibility_scope(principal).condition())
            .ext(distinct_on(Image.sha256))
            .order_by(Image.sha256, Image.created_at, Image.id)
        )
        return dict((await self._session.execute(statement)).all())

    async def list_visible_ids(
        self, images: Sequence[uuid.UUID], scope: VisibilityScope, owner: uuid.UUID | None
    ) -> list[uuid.UUID]:
        """Return the ids of the visible images among these; with an owner, only those of the owner."""
        statement = select(Image.id).where(Image.id.in_(images), scope.condition())
        if owner is not None:
            statement = statement.where(Image.uploaded_by == owner)
        return list(await self._session.scalars(statement))

    async def find(self, image_id: uuid.UUID) -> Image | None:
        """Return the image, regardless of its visibility."""
        return await self._session.get(Image, image_id)

    async def count(self, after: uuid.UUID | None = None, condition: ColumnElement[bool] | None = None) -> int:
        """Return the number of all images, or of those after this id that fulfil the condition."""
        statement = select(func.count()).select_from(Image).where(true() if condition is None else condition)
        if after is not None:
            statement = statement.where(Image.id > after)
        return await self._session.scalar(statement) or 0

    async def list_by_id(
        self, after: uuid.UUID | None, limit: int, condition: ColumnElement[bool] | None = None
    ) -> Sequence[Image]:
        """Return up to `limit` images after this id that fulfil the condition, regardless of their visibility."""
        statement = select(Image).where(true() if condition is None else condition).order_by(Image.id).limit(limit)
        if after is not None:
            statement = statement.where(Image.id > after)
        return (await self._session.scalars(statement)).all()

    async def update_dimensions(self, dimensions: Mapping[uuid.UUID, tuple[int, int]]) -> int:
        """Set the width and height of images; return the number of those that still exist."""
        changed = 0
        # Locked in the order in which every other change of many images locks them.
        for image_id, (width, height) in sorted(dimensions.items()):
            statement = update(Image).where(Image.id == image_id).values(width=width, height=height)
            changed += (await self._session.execute(statement.returning(Image.id))).one_or_none() is not None
        return changed

    async def update_metadata(self, metadata: Mapping[uuid.UUID, PhotoMetadata]) -> int:
        """Set the time and the camera of images; return the number of those that still exist."""
        changed = 0
        for image_id, new in sorted(metadata.items()):
            statement = update(Image).where(Image.id == image_id).values(asdict(new))
            changed += (await self._session.execute(statement.returning(Image.id))).one_or_none() is not None
        return changed

    async def update_hashes(self, hashes: Mapping[uuid.UUID, ImageHashes]) -> int:
        """Write the hashes of images; return the number of those that still exist, also in the trash."""
        repository = SimilarityRepository(self._session)
        changed = 0
        for image_id, new in sorted(hashes.items()):
            if await self.lock_if_exists(image_id):
                await repository.add_or_update(image_id, new.perceptual_hash)
                await repository.update_pixels(image_id, new.pixel_sha256)
                changed += 1
        return changed

    async def list_owned_keys(self, keys: Collection[str]) -> set[str]:
        """Return those of these keys that are the originals of images, also of those in the trash."""
        # One statement: an image that is moved meanwhile is in one of the tables.
        found = [select(model.storage_key).where(model.storage_key.in_(keys)) for model in (Image, TrashedImage)]
        return set((await self._session.scalars(union_all(*found))).all())
