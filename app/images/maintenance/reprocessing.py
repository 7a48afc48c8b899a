"""Reads the files of stored images again, and corrects the dimensions, the metadata or the hashes in their rows.

Images are read in the order of their ids, in batches. Each batch is committed before the next one, so that a run can be
stopped at any point and be continued behind the last batch.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any, Generic, Protocol, TypeVar

from sqlalchemy import ColumnElement, true

from app.core.errors import AppError, StorageUnavailable
from app.db.database import Database
from app.images.repository import ImageHashes, ImageRepository
from app.media.decoder_pool import URL_SECONDS, DecoderInput, DecoderPool
from app.media.errors import ImageTooLarge, InvalidImage
from app.media.image_properties import Dimensions
from app.media.metadata.photo_metadata import PhotoMetadata
from app.models import Image
from app.similarity.repository import HASHES_ARE_OUTDATED
from app.storage.object_store import ObjectStore
from app.storage.timeouts import ObjectMissing

BATCH = 100
# Of images that could not be read: the others are only counted.
MAX_LISTED = 1000

Value = TypeVar("Value")

# Called with the number of images that are done, and the id of the last one.
Progress = Callable[[int, uuid.UUID], None]


@dataclass(slots=True)
class ReprocessingReport:
    """The result of a run: `failed` counts the images that could not be read, `failures` describes the first."""

    images: int = 0
    changed: int = 0
    failed: int = 0
    failures: list[dict[str, str]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)


class ImageProperty(Protocol[Value]):
    """A property of images that is read from their files."""

    @property
    def outdated(self) -> ColumnElement[bool]:
        """The condition of the images to read."""

    async def read(self, decoders: DecoderPool, file: DecoderInput) -> Value:
        """Return the property of a file. Raises InvalidImage, ImageTooLarge, Unavailable."""

    def stored(self, image: Image, /) -> Value | None:
        """Return the property of a row; None if it has none."""

    async def save(self, images: ImageRepository, changes: Mapping[uuid.UUID, Value]) -> int:
        """Change rows; return the number of those that still exist."""


class DimensionsProperty:
    """Width and height, as displayed."""

    outdated = true()

    async def read(self, decoders: DecoderPool, file: DecoderInput) -> Dimensions:
        return await decoders.measure(file)

    def stored(self, image: Image) -> Dimensions:
        return Dimensions(image.width, image.height)

    async def save(self, images: ImageRepository, changes: Mapping[uuid.UUID, Dimensions]) -> int:
        return await images.update_dimensions(changes)


class MetadataProperty:
    """The time and the camera of photos."""

    outdated = true()

    async def read(self, decoders: DecoderPool, file: DecoderInput) -> PhotoMetadata:
        return await decoders.read_metadata(file)

    def stored(self, image: Image) -> PhotoMetadata:
        return PhotoMetadata(image.taken_at, image.taken_at_offset, image.camera)

    async def save(self, images: ImageRepository, changes: Mapping[uuid.UUID, PhotoMetadata]) -> int:
        return await images.update_metadata(changes)


class HashesProperty:
    """The perceptual hash and the digest of the pixels. Images that have both, by the current methods, are not read."""

    outdated = HASHES_ARE_OUTDATED

    async def read(self, decoders: DecoderPool, file: DecoderInput) -> ImageHashes:
        properties = await decoders.check(file)
        return ImageHashes(properties.perceptual_hash, await decoders.digest_pixels(file))

    def stored(self, _image: Image) -> ImageHashes | None:
        return None

    async def save(self, images: ImageRepository, changes: Mapping[uuid.UUID, ImageHashes]) -> int:
        return await images.update_hashes(changes)


class Reprocessor(Generic[Value]):
    """Reads the files of stored images and corrects their rows, one image at a time."""

    def __init__(
        self,
        image_property: ImageProperty[Value],
        database: Database,
        object_store: ObjectStore,
        decoders: DecoderPool,
        progress: Progress,
    ) -> None:
        self._property = image_property
        self._database = database
        self._object_store = object_store
        self._decoders = decoders
        self._progress = progress

    async def count(self, after: uuid.UUID | None) -> int:
        """Return the number of images to read behind this id."""
        async with self._database.read_session() as session:
            return await ImageRepository(session).count(after, self._property.outdated)

    async def run(self, after: uuid.UUID | None) -> ReprocessingReport:
        """Correct every image behind this id. Raises Unavailable if a backend does not respond."""
        report = ReprocessingReport()
        while images := await self._list(after):
            changes: dict[uuid.UUID, Value] = {}
            for image in images:
                if (new := await self._find_change(image, report)) is not None:
                    changes[image.id] = new
            if changes:
                async with self._database.unit_of_work() as session:
                    report.changed += await self._property.save(ImageRepository(session), changes)
            report.images += len(images)
            after = images[-1].id
            self._progress(report.images, after)
        return report

    async def _list(self, after: uuid.UUID | None) -> Sequence[Image]:
        async with self._database.read_session() as session:
            return await ImageRepository(session).list_by_id(after, BATCH, self._property.outdated)

    async def _find_change(self, image: Image, report: ReprocessingReport) -> Value | None:
        """Return the property of an image if its row has another one."""
        try:
            new = await self._read(image)
        except (InvalidImage, ImageTooLarge, ObjectMissing) as error:
            report.failed += 1
            if len(report.failures) < MAX_LISTED:
                report.failures.append({"image": str(image.id), "problem": _problem(error)})
            return None
        return new if new != self._property.stored(image) else None

    async def _read(self, image: Image) -> Value:
        url = await self._object_store.presign_internal(image.storage_key, timedelta(seconds=URL_SECONDS))
        try:
            return await self._property.read(self._decoders, DecoderInput(image.content_type, image.size, url))
        except StorageUnavailable:
            # Raises ObjectMissing if it is only this object.
            await self._object_store.size_of(image.storage_key)
            raise


def _problem(error: Exception) -> str:
    if isinstance(error, ObjectMissing):
        return "the object is missing"
    return str(error) if isinstance(error, AppError) else type(error).__name__
