import random
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import ImageNotFound
from app.models import DoomedObject, Image
from app.search.images import Sight
from app.users.viewer import Viewer

_MULTICAST_BIT = 1 << 40


def new_image_id() -> uuid.UUID:
    """Return a uuid1 whose node is random (RFC 9562 §6.10): it tells no MAC address."""
    return uuid.uuid1(node=random.getrandbits(48) | _MULTICAST_BIT, clock_seq=random.getrandbits(14))


class ImageRepository:
    """All SQL about images and about the objects that none of them owns."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get_visible(self, image_id: uuid.UUID, viewer: Viewer) -> Image:
        """Return the image. Raises ImageNotFound when there is none or the viewer may not see it."""
        image = await self._session.scalar(select(Image).where(Image.id == image_id, visible_to(viewer)))
        if image is None:
            raise ImageNotFound
        return image

    async def get_for_change(self, image_id: uuid.UUID, viewer: Viewer) -> Image:
        """Return the image with its row locked until the commit. Raises ImageNotFound."""
        statement = select(Image).where(Image.id == image_id, visible_to(viewer)).with_for_update(key_share=True)
        image = await self._session.scalar(statement)
        if image is None:
            raise ImageNotFound
        return image

    async def find_by_name(self, name: str) -> Image | None:
        """Return the image of this name, whoever may see it."""
        return await self._session.scalar(select(Image).where(Image.name == name))

    async def add_unless_taken(self, values: Mapping[str, Any]) -> Image | None:
        """Insert an image; None when its name is taken."""
        statement = insert(Image).values(**values).on_conflict_do_nothing(index_elements=["name"]).returning(Image)
        return await self._session.scalar(statement)

    async def remove(self, image: Image) -> None:
        """Delete the row and doom its object, in the same transaction."""
        await self.doom([image.storage_key])
        await self._session.execute(delete(Image).where(Image.id == image.id))

    async def doom(self, keys: Sequence[str]) -> None:
        """List storage keys that no committed image owns."""
        await self._session.execute(insert(DoomedObject), [{"storage_key": key} for key in keys])

    async def spare(self, keys: Sequence[str]) -> bool:
        """Take keys off the list; False when one was not there any more, because the sweeper has it."""
        result = await self._session.execute(
            delete(DoomedObject).where(DoomedObject.storage_key.in_(keys)).returning(DoomedObject.storage_key)
        )
        return len(result.all()) == len(keys)

    async def lock_doomed(self, before: datetime, limit: int) -> Sequence[str]:
        """Return up to `limit` keys listed before this time, locked against other sweepers until the commit."""
        statement = (
            select(DoomedObject.storage_key)
            .where(DoomedObject.doomed_at < before)
            .order_by(DoomedObject.doomed_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        return (await self._session.scalars(statement)).all()


def visible_to(viewer: Viewer) -> ColumnElement[bool]:
    """Return the condition under which a viewer may see an image."""
    return Sight(viewer.id, viewer.is_admin).condition()
