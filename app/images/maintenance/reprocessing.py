"""Measures stored images again, and corrects the dimensions in their rows.

Images are read in the order of their ids, in batches. Each batch is committed before the next one, so that a run can be
stopped at any point and be continued behind the last batch.
"""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any

from app.core.errors import AppError, StorageUnavailable
from app.db.database import Database
from app.images.repository import ImageRepository
from app.media.decoder_pool import URL_SECONDS, DecoderInput, DecoderPool
from app.media.errors import ImageTooLarge, InvalidImage
from app.media.image_properties import Dimensions
from app.models import Image
from app.storage.object_store import ObjectStore
from app.storage.timeouts import ObjectMissing

BATCH = 100
# Of images that could not be measured: the others are only counted.
MAX_LISTED = 1000

# Called with the number of images that are done, and the id of the last one.
Progress = Callable[[int, uuid.UUID], None]


@dataclass(slots=True)
class ReprocessingReport:
    """The result of a run: `failed` counts the images that could not be measured, `failures` describes the first."""

    images: int = 0
    changed: int = 0
    failed: int = 0
    failures: list[dict[str, str]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)


class DimensionsReprocessor:
    """Measures stored images and corrects their rows, one image at a time."""

    def __init__(
        self, database: Database, object_store: ObjectStore, decoders: DecoderPool, progress: Progress
    ) -> None:
        self._database = database
        self._object_store = object_store
        self._decoders = decoders
        self._progress = progress

    async def count(self, after: uuid.UUID | None) -> int:
        """Return the number of images behind this id."""
        async with self._database.read_session() as session:
            return await ImageRepository(session).count(after)

    async def run(self, after: uuid.UUID | None) -> ReprocessingReport:
        """Correct every image behind this id. Raises Unavailable if a backend does not respond."""
        report = ReprocessingReport()
        while images := await self._list(after):
            changes = {image.id: new for image in images if (new := await self._measure(image, report))}
            if changes:
                async with self._database.unit_of_work() as session:
                    report.changed += await ImageRepository(session).update_dimensions(changes)
            report.images += len(images)
            after = images[-1].id
            self._progress(report.images, after)
        return report

    async def _list(self, after: uuid.UUID | None) -> Sequence[Image]:
        async with self._database.read_session() as session:
            return await ImageRepository(session).list_by_id(after, BATCH)

    async def _measure(self, image: Image, report: ReprocessingReport) -> Dimensions | None:
        """Return the dimensions of an image if its row has others."""
        try:
            measured = await self._dimensions(image)
        except (InvalidImage, ImageTooLarge, ObjectMissing) as error:
            report.failed += 1
            if len(report.failures) < MAX_LISTED:
                report.failures.append({"image": str(image.id), "problem": _problem(error)})
            return None
        return measured if measured != (image.width, image.height) else None

    async def _dimensions(self, image: Image) -> Dimensions:
        url = await self._object_store.presign_internal(image.storage_key, timedelta(seconds=URL_SECONDS))
        try:
            return await self._decoders.measure(DecoderInput(image.content_type, image.size, url))
        except StorageUnavailable:
            # Raises ObjectMissing if it is only this object.
            await self._object_store.size_of(image.storage_key)
            raise


def _problem(error: Exception) -> str:
    if isinstance(error, ObjectMissing):
        return "the object is missing"
    return str(error) if isinstance(error, AppError) else type(error).__name__
