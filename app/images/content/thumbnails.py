"""Thumbnails: opened from the store, made on the first request."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

from app.images.content.queued_decoders import QueuedDecoders
from app.images.content.renditions import Renditions, RenditionSource
from app.images.storage_keys import thumbnail_key
from app.media.decoder_pool import URL_SECONDS, DecoderInput
from app.models import Image
from app.storage.download import OpenObject
from app.storage.object_store import ObjectStore
from app.storage.timeouts import ObjectMissing

CONTENT_TYPE = "image/webp"


class Thumbnails:
    """Opens thumbnails."""

    def __init__(self, object_store: ObjectStore, decoders: QueuedDecoders, renditions: Renditions) -> None:
        self._object_store = object_store
        self._decoders = decoders
        self._renditions = renditions

    @asynccontextmanager
    async def open(self, image: Image, size: int) -> AsyncIterator[OpenObject]:
        """Open the image's thumbnail; make it first if the store does not have it.

        Raises StorageUnavailable, ImageTooLarge, InvalidImage, TooManyRequests, DecodersBusy; ImageNotFound if the
        image was deleted meanwhile.
        """
        key = thumbnail_key(image.storage_key, size)
        original = RenditionSource.of(image)
        async with AsyncExitStack() as stack:
            try:
                thumbnail = await stack.enter_async_context(self._object_store.open(key))
            except ObjectMissing:
                # Outside of the single flight: the first caller's full queue must not refuse the others.
                async with self._decoders.slot():
                    await self._renditions.ensure(original, key, lambda: self._make(original, key, size))
                thumbnail = await stack.enter_async_context(self._object_store.open(key))
            yield thumbnail

    async def _make(self, original: RenditionSource, key: str, size: int) -> None:
        url = await self._object_store.presign_internal(original.storage_key, timedelta(seconds=URL_SECONDS))
        file = DecoderInput(original.content_type, original.size, url)
        await self._object_store.put_whole(key, [await self._decoders.pool.make_thumbnail(file, size)], CONTENT_TYPE)
