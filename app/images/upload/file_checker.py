"""Checks that a file is an image which the service can decode."""

from datetime import timedelta

from app.images.content.queued_decoders import QueuedDecoders
from app.media.decoder_pool import QUEUE_SECONDS, URL_SECONDS, DecoderInput
from app.media.image_header import HeaderReader, ImageHeader
from app.media.image_properties import ImageProperties
from app.storage.chunks import length
from app.storage.object_store import ObjectStore
from app.storage.s3_client import Chunks

# A check may wait in the queue before it has a decoder.
CHECK_URL_SECONDS = QUEUE_SECONDS + URL_SECONDS


class FileChecker:
    """Reads headers, and decodes whole files in the confined processes."""

    def __init__(self, object_store: ObjectStore, decoders: QueuedDecoders, max_pixels: int) -> None:
        self._object_store = object_store
        self._decoders = decoders
        self._max_pixels = max_pixels

    def header_reader(self) -> HeaderReader:
        """Return a reader for the header of one file."""
        return HeaderReader(self._max_pixels)

    async def check_bytes(self, header: ImageHeader, body: Chunks) -> ImageProperties:
        """Decode a file that is in memory. Raises InvalidImage, ImageTooLarge, TooManyRequests, Unavailable."""
        return await self._decoders.check(DecoderInput(header.content_type, length(body), body))

    async def check_object(self, header: ImageHeader, key: str, size: int) -> ImageProperties:
        """Decode a file of `size` bytes that is in the object store. Raises like `check_bytes`."""
        url = await self._object_store.presign_internal(key, timedelta(seconds=CHECK_URL_SECONDS))
        return await self._decoders.check(DecoderInput(header.content_type, size, url))
