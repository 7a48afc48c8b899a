"""The consistency check: rows against objects, objects against rows, and interrupted multipart uploads.

It walks both sides in the order of their keys, so that its memory does not grow with the bucket. It corrects only
unambiguous cases. An object older than the grace period that neither a row nor the orphan list names is added to that
list, and the sweeper deletes it. A multipart upload older than the grace period is aborted. Missing and differing
objects are only reported: they need a manual repair.
"""

import hashlib
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any

from app.core.settings import ImageSettings
from app.db.base import utc_now
from app.db.database import Database
from app.images.maintenance.orphan_repository import OrphanRepository
from app.images.repository import ImageRepository
from app.images.storage_keys import ORIGINALS, STRIPPED, TAILS, THUMBNAILS, original_of
from app.images.trash.repository import TrashRepository
from app.models import Image, TrashedImage
from app.storage.object_store import ListedObject, ObjectStore
from app.storage.timeouts import ObjectMissing

BATCH = 500

Progress = Callable[[int], None]


@dataclass(slots=True)
class Inconsistency:
    """An image whose object is not what its row says."""

    image: str
    storage_key: str
    problem: str


@dataclass(slots=True)
class ConsistencyReport:
    """The findings and the corrections; `dry_run` makes no corrections. `images` includes those in the trash."""

    dry_run: bool
    images: int = 0
    objects: int = 0
    purged: int = 0
    swept: int = 0
    damaged: list[Inconsistency] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    stale_uploads: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether every image is complete; orphans are no damage."""
        return not self.damaged

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {**asdict(self), "clean": self.is_clean}


class ConsistencyCheck:
    """Compares rows and objects. Raises AppError if a backend does not respond: an incomplete check deletes nothing."""

    def __init__(
        self,
        database: Database,
        object_store: ObjectStore,
        settings: ImageSettings,
        progress: Progress = lambda _count: None,
    ) -> None:
        self._database = database
        self._object_store = object_store
        self._grace = timedelta(seconds=settings.orphan_grace_seconds)
        self._progress = progress

    async def run(self, *, dry_run: bool, digests: bool) -> ConsistencyReport:
        """Check everything. With `digests`, every original is read and its SHA-256 is compared."""
        report = ConsistencyReport(dry_run)
        await self._check_rows(report, digests=digests)
        await self._check_objects(report)
        await self._check_uploads(report)
        if not dry_run and report.orphans:
            await self._mark_orphaned(report.orphans)
        return report

    async def count(self) -> int:
        """Return how many images there are to look at, also in the trash."""
        async with self._database.read_session() as session:
            return await ImageRepository(session).count() + await TrashRepository(session).count()

    async def _check_rows(self, report: ConsistencyReport, *, digests: bool) -> None:
        async for images in self._rows():
            for image in images:
                problem = await self._problem(image, digests=digests)
                if problem and await self._is_still_there(image.id):
                    report.damaged.append(Inconsistency(str(image.id), image.storage_key, problem))
                report.images += 1
                self._progress(report.images)

    async def _rows(self) -> AsyncIterator[Sequence[Image | TrashedImage]]:
        for repository in (ImageRepository, TrashRepository):
            after: uuid.UUID | None = None
            while images := await self._list(repository, after):
                yield images
                after = images[-1].id

    async def _list(
        self, repository: type[ImageRepository | TrashRepository], after: uuid.UUID | None
    ) -> Sequence[Image | TrashedImage]:
        async with self._database.read_session() as session:
            return await repository(session).list_by_id(after, BATCH)

    async def _problem(self, image: Image | TrashedImage, *, digests: bool) -> str | None:
        try:
            size = await self._object_store.size_of(image.storage_key)
            if size != image.size:
                return f"the object has {size} bytes, the row says {image.size}"
            if digests and await self._digest(image.storage_key) != image.sha256:
                return "the object has another SHA-256 than the row"
        except ObjectMissing:
            return "the object is missing"
        return None

    async def _digest(self, key: str) -> bytes:
        digest = hashlib.sha256()
        async with self._object_store.open(key) as opened:
            async for chunk in opened.chunks:
                digest.update(chunk)
        return digest.digest()

    async def _is_still_there(self, image_id: uuid.UUID) -> bool:
        """Return whether the image still exists, also in the trash, after the check of its object."""
        async with self._database.read_session() as session:
            image = await ImageRepository(session).find(image_id)
            return image is not None or await TrashRepository(session).find(image_id) is not None

    async def _check_objects(self, report: ConsistencyReport) -> None:
        before = utc_now() - self._grace
        batch: list[ListedObject] = []
        async for found in self._object_store.list_objects():
            report.objects += 1
            # Other applications' objects in the bucket are ignored.
            if found.key.startswith((ORIGINALS, THUMBNAILS, STRIPPED, TAILS)) and found.modified < before:
                batch.append(found)
            if len(batch) == BATCH:
                report.orphans += await self._orphans(batch)
                batch.clear()
        report.orphans += await self._orphans(batch)

    async def _orphans(self, batch: Sequence[ListedObject]) -> list[str]:
        keys = [found.key for found in batch]
        async with self._database.read_session() as session:
            # The list first: a key leaves it in the transaction that writes the row, so no key is in neither.
            listed = await OrphanRepository(session).list_orphaned_keys(keys)
            owned = await ImageRepository(session).list_owned_keys({original_of(key) for key in keys})
        return [key for key in keys if key not in listed and original_of(key) not in owned]

    async def _check_uploads(self, report: ConsistencyReport) -> None:
        before = utc_now() - self._grace
        uploads = [one for one in await self._object_store.list_uploads() if one.begun < before]
        async with self._database.read_session() as session:
            listed = await OrphanRepository(session).list_orphaned_keys({upload.key for upload in uploads})
        for upload in uploads:
            # A key on the list belongs to an upload in progress, or the sweeper aborts the upload.
            if upload.key not in listed:
                report.stale_uploads.append(upload.key)
                if not report.dry_run:
                    await self._object_store.abort(upload.key, upload.upload_id)

    async def _mark_orphaned(self, keys: Sequence[str]) -> None:
        for start in range(0, len(keys), BATCH):
            async with self._database.unit_of_work() as session:
                await OrphanRepository(session).mark_orphaned(keys[start : start + BATCH], utc_now() - self._grace * 2)
