"""The original of an image as it is given out: as it was sent or, with STRIP_METADATA, without its metadata.

The stripped copy is a rendition: made once and stored beside the unchanged original. Ranges, lengths and presigned URLs
therefore work as for any object, and no URL leads to the metadata.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from app.images.content.renditions import Renditions, RenditionSource
from app.images.storage_keys import stripped_key
from app.media.errors import InvalidImage
from app.media.metadata_stripper import NEEDS_FIRST_PASS, STRIPPERS, Stripper, UnreadableStructure
from app.models import Image
from app.storage.object_store import ObjectStore

# Part of the entity tag: raise it, and the prefix in `keys`, when files are stripped in another way.
VERSION = 1


@dataclass(frozen=True, slots=True)
class StoredObject:
    """Where the bytes lie, and how many they are."""

    storage_key: str
    size: int


class OriginalLocator:
    """Finds what is given out as an image's original."""

    def __init__(self, object_store: ObjectStore, renditions: Renditions, *, strip_metadata: bool) -> None:
        self._object_store = object_store
        self._renditions = renditions
        self._strips = strip_metadata

    def entity_tag(self, image: Image) -> str:
        """Return the strong entity tag of what is given out."""
        version = f"-stripped-{VERSION}" if self._is_stripped(image) else ""
        return f'"{image.sha256.hex()}{version}"'

    async def find(self, image: Image) -> StoredObject:
        """Return the object to deliver; create the stripped copy first if it is missing.

        Raises StorageUnavailable; InvalidImage if the metadata cannot be separated from the pixels; ImageNotFound if
        the image was deleted meanwhile.
        """
        if not self._is_stripped(image):
            return StoredObject(image.storage_key, image.size)
        key = stripped_key(image.storage_key)
        size = await self._renditions.find_size(key)
        if size is None:
            original = RenditionSource.of(image)
            await self._renditions.ensure(original, key, lambda: strip(self._object_store, original, key))
            size = await self._object_store.size_of(key)
        return StoredObject(key, size)

    def _is_stripped(self, image: Image) -> bool:
        return self._strips and image.content_type in STRIPPERS


async def strip(object_store: ObjectStore, original: RenditionSource, key: str) -> None:
    """Store a copy of the original without metadata under `key`. Raises InvalidImage, StorageUnavailable."""
    first = Stripper(original.content_type)
    if original.content_type in NEEDS_FIRST_PASS:
        async for _chunk in stripped(object_store, original, first):
            pass
    stripper = Stripper(original.content_type, first.first_pass)
    async with aclosing(stripped(object_store, original, stripper)) as chunks:
        await object_store.put(key, chunks, original.content_type)


async def stripped(object_store: ObjectStore, original: RenditionSource, stripper: Stripper) -> AsyncGenerator[bytes]:
    """Yield the original as the stripper leaves it."""
    try:
        async with object_store.open(original.storage_key) as opened:
            async for chunk in opened.chunks:
                # A chunk of tiny segments costs tens of milliseconds, which other requests must not wait for.
                yield await asyncio.to_thread(stripper.feed, chunk)
        yield stripper.finish()
    except UnreadableStructure as error:
        raise InvalidImage("The metadata of the file cannot be separated from its pixels") from error
