"""Makes an image of an upload whose bytes have all arrived.

Each step can be repeated after a kill. The last bytes do not count until the image is committed. A client sends them
again after a kill, because `Upload-Offset` is the length only if the image exists.
"""

import asyncio
import contextlib

from app.authz.principal import Principal
from app.core.errors import ValidationFailed
from app.db.database import Database
from app.images.maintenance.orphan_repository import OrphanRepository
from app.images.storage_keys import new_original_key
from app.images.upload.file_checker import FileChecker
from app.images.upload.form import OnConflict, UploadFields
from app.images.upload.image_creator import ImageCreator, SourceChanged, StoredFile, UploadedImage
from app.models import Upload
from app.models.image import Visibility
from app.storage.object_store import ObjectStore
from app.storage.timeouts import ObjectMissing
from app.uploads.appending.inspection import Inspection
from app.uploads.appending.part_uploader import LOST_BYTES, Remainder, StoredMultipart
from app.uploads.errors import AppendSuperseded, UploadEnded
from app.uploads.repository import AcquiredUpload, image_source

# The store may still assemble the object of a request that was killed: the upload is not lost yet.
ASSEMBLY_SECONDS = 5
OTHER_BYTES = "An earlier request ended the upload with other bytes."


class UploadCompletion:
    """Checks the file of an upload, and creates its image."""

    def __init__(
        self, database: Database, object_store: ObjectStore, checker: FileChecker, creator: ImageCreator
    ) -> None:
        self._database = database
        self._object_store = object_store
        self._checker = checker
        self._creator = creator

    def begin_inspection(self) -> Inspection:
        """Return an inspection of a file that starts."""
        return Inspection(self._checker.header_reader())

    async def complete(
        self, acquired: AcquiredUpload, remainder: Remainder, inspection: Inspection | None, principal: Principal
    ) -> UploadedImage:
        """Create the image. `inspection` is that of the whole file, unless a part of it arrived elsewhere.

        Raises ValidationFailed, NameTaken, UnsupportedMediaType, InvalidImage, ImageTooLarge, AppendSuperseded,
        UploadEnded, TooManyRequests and the errors of the backends.
        """
        upload = acquired.upload
        stored = await self._store(acquired, remainder, inspection)
        if upload.sha256 not in (None, stored.sha256):
            raise ValidationFailed.at(
                ["header", "Upload-Metadata", "sha256"], "The uploaded bytes do not have the declared SHA-256."
            )
        try:
            source = image_source(upload.id, acquired.writer)
            return await self._creator.create(stored, fields_of(upload), principal, source)
        except SourceChanged:
            raise AppendSuperseded from None

    async def _store(self, acquired: AcquiredUpload, remainder: Remainder, inspection: Inspection | None) -> StoredFile:
        upload = acquired.upload
        if remainder.multipart is not None:
            await self._complete_multipart(upload.storage_key, remainder, remainder.multipart)
        if inspection is None or inspection.size != remainder.end:
            inspection = await self._inspect(upload.storage_key, remainder)
        header = inspection.finish()
        if remainder.multipart is None:
            # A damaged file never reaches the store.
            properties = await self._checker.check_bytes(header, remainder.chunks)
            # A new key, as a request that was terminated may still store other bytes.
            key = acquired.whole_key or await self._list_new_key()
            await self._object_store.put_whole(key, remainder.chunks, header.content_type)
        else:
            key = upload.storage_key
            properties = await self._checker.check_object(header, key, remainder.end)
        return StoredFile(upload.name, remainder.end, inspection.digest.digest(), header.content_type, properties, key)

    async def _list_new_key(self) -> str:
        key = new_original_key()
        async with self._database.unit_of_work() as session:
            await OrphanRepository(session).mark_orphaned([key])
        return key

    async def _complete_multipart(self, key: str, remainder: Remainder, multipart: StoredMultipart) -> None:
        """Complete the object, unless an earlier request has done so. Raises UploadEnded if its bytes are others."""
        parts = list(multipart.parts)
        try:
            if body := remainder.chunks:
                parts.append(await self._object_store.put_part(key, multipart.id, multipart.next_number, body))
            await self._object_store.complete_multipart(key, multipart.id, parts, remainder.end)
        except ObjectMissing:
            await self._require_last_bytes(key, remainder)

    async def _require_last_bytes(self, key: str, remainder: Remainder) -> None:
        """Compare the object of an earlier request, which was killed or lost the upload, with the bytes of this one."""
        try:
            if await self._wait_for_size(key) != remainder.end:
                raise UploadEnded(OTHER_BYTES)
            async with self._object_store.open(key, remainder.start) as opened:
                stored = [chunk async for chunk in opened.chunks]
        except ObjectMissing as error:
            raise UploadEnded(LOST_BYTES) from error
        if b"".join(stored) != b"".join(remainder.chunks):
            raise UploadEnded(OTHER_BYTES)

    async def _wait_for_size(self, key: str) -> int:
        """Return the size of an object, for which it waits ASSEMBLY_SECONDS. Raises ObjectMissing."""
        for _ in range(ASSEMBLY_SECONDS):
            with contextlib.suppress(ObjectMissing):
                return await self._object_store.size_of(key)
            await asyncio.sleep(1)
        return await self._object_store.size_of(key)

    async def _inspect(self, key: str, remainder: Remainder) -> Inspection:
        """Read the whole file, of which a part arrived elsewhere."""
        inspection = self.begin_inspection()
        if remainder.multipart is None:
            for chunk in remainder.chunks:
                inspection.feed(chunk)
            return inspection
        async with self._object_store.open(key) as opened:
            async for chunk in opened.chunks:
                inspection.feed(chunk)
        return inspection


def fields_of(upload: Upload) -> UploadFields:
    """Return the fields that the upload was created with."""
    on_conflict = OnConflict(upload.on_conflict) if upload.on_conflict else None
    return UploadFields(list(upload.tags), Visibility(upload.visibility), on_conflict)
