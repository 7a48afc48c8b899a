"""Thumbnails: made when they are first asked for, once, and kept in the object store beside their originals.

The list of doomed objects is also what makes "once" hold for many processes: whoever lists the key makes the thumbnail,
the others wait for the object. A maker that died holds the key for STALE only.
"""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from app.core.errors import AppError, ImageNotFound, StorageUnavailable
from app.decoding.pool import WALL_SECONDS, Picture
from app.http.state import Services
from app.images.doomed import remove_doomed
from app.images.keys import thumbnail_key
from app.images.repository import ImageRepository
from app.models import Image
from app.storage.object_store import ObjectMissing, OpenObject

CONTENT_TYPE = "image/webp"
STALE = timedelta(seconds=60)
POLL_SECONDS = 0.1
# Part of the entity tag: raise it, and the prefix in `keys`, when thumbnails are made in another way.
VERSION = 1


@dataclass(frozen=True, slots=True)
class Original:
    """What of an image is needed after its row was read."""

    id: uuid.UUID
    storage_key: str
    content_type: str
    width: int
    height: int
    size: int


class Thumbnails:
    """Gives out thumbnails."""

    def __init__(self, services: Services) -> None:
        self._database = services.database
        self._object_store = services.object_store
        self._decoders = services.decoders
        self._flights = services.renditions

    @asynccontextmanager
    async def open(self, image: Image, size: int) -> AsyncIterator[OpenObject]:
        """Open the image's thumbnail, making it first where it is not there yet.

        Raises StorageUnavailable, ImageTooLarge, InvalidImage; ImageNotFound when the image was deleted meanwhile.
        """
        key = thumbnail_key(image.storage_key, size)
        if not await self._is_there(key):
            original = Original(image.id, image.storage_key, image.content_type, image.width, image.height, image.size)
            await self._flights.run(key, lambda: self._ensure(original, key, size))
        async with self._object_store.open(key) as thumbnail:
            yield thumbnail

    async def _is_there(self, key: str) -> bool:
        try:
            await self._object_store.stat(key)
        except ObjectMissing:
            return False
        return True

    async def _ensure(self, original: Original, key: str, size: int) -> None:
        deadline = time.monotonic() + STALE.total_seconds()
        while time.monotonic() < deadline:
            async with self._database.unit_of_work() as session:
                mine = await ImageRepository(session).claim_key(key, STALE)
            if mine:
                return await self._make(original, key, size)
            await asyncio.sleep(POLL_SECONDS)
            if await self._is_there(key):
                return None
        raise StorageUnavailable("The thumbnail is not there yet")

    async def _make(self, original: Original, key: str, size: int) -> None:
        try:
            url = await self._object_store.presign_internal(original.storage_key, timedelta(seconds=WALL_SECONDS * 4))
            picture = Picture(original.content_type, original.width, original.height, original.size, url)
            body = await self._decoders.make_thumbnail(picture, size)
            await self._object_store.put_whole(key, body, CONTENT_TYPE)
        except AppError:
            await remove_doomed(self._database, self._object_store, [key])
            raise
        async with self._database.unit_of_work() as session:
            repository = ImageRepository(session)
            if alive := await repository.exists(original.id):
                await repository.spare([key])
            else:
                # Deleted meanwhile: what was just stored must go too.
                await repository.doom([key])
        if not alive:
            raise ImageNotFound
