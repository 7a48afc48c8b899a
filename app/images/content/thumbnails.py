"""Thumbnails."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

from app.http.container import Services
from app.images.content.decoder_slot import decoder_slot
from app.images.content.renditions import Renditions, RenditionSource
from app.images.storage_keys import thumbnail_key
from app.media.decoder_pool import URL_SECONDS, Picture
from app.models import Image
from app.storage.download import OpenObject
from app.storage.timeouts import ObjectMissing

CONTENT_TYPE = "image/webp"


class Thumbnails:
    """Gives out thumbnails."""

    def __init__(self, services: Services) -> None:
        self._object_store = services.object_store
        self._decoders = services.decoders
        self._queue = services.queues.decoders
        self._renditions = Renditions(services)

    @asynccontextmanager
    async def open(self, image: Image, size: int) -> AsyncIterator[OpenObject]:
        """Open the image's thumbnail, making it first where it is not there yet.

        Raises StorageUnavailable, ImageTooLarge, InvalidImage, TooManyRequests, DecodersBusy; ImageNotFound when the
        image was deleted meanwhile.
        """
        key = thumbnail_key(image.storage_key, size)
        original = RenditionSource.of(image)
        async with AsyncExitStack() as stack:
            try:
                thumbnail = await stack.enter_async_context(self._object_store.open(key))
            except ObjectMissing:
                # Outside of what is done once for all who ask: nobody is refused since the first one asks for much.
                async with decoder_slot(self._queue):
                    await self._renditions.ensure(original, key, lambda: self._make(original, key, size))
                thumbnail = await stack.enter_async_context(self._object_store.open(key))
            yield thumbnail

    async def _make(self, original: RenditionSource, key: str, size: int) -> None:
        url = await self._object_store.presign_internal(original.storage_key, timedelta(seconds=URL_SECONDS))
        picture = Picture(original.content_type, original.size, url)
        await self._object_store.put_whole(key, [await self._decoders.make_thumbnail(picture, size)], CONTENT_TYPE)
