"""The use cases of uploads that receive no bytes: their state, their list and their end."""

import contextlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.authz.principal import Principal
from app.core.errors import AppError
from app.db.base import utc_now
from app.db.database import Database
from app.images.maintenance.orphan_cleanup import remove_orphans
from app.images.repository import ImageRepository, TaggedImage
from app.images.upload.image_creator import UploadedImage
from app.models import Upload
from app.models.upload import UploadState
from app.storage.object_store import ObjectStore
from app.uploads.appending.active_appends import UploadLock
from app.uploads.errors import UploadEnded, UploadNotFound
from app.uploads.repository import UploadRepository

MAX_OPEN = 1000


@dataclass(frozen=True, slots=True)
class Progress:
    """The state of an upload after a request. `image` is its new image, if the request has completed it."""

    upload: Upload
    offset: int
    length: int | None
    expires_at: datetime
    image: UploadedImage | None = None

    @property
    def is_complete(self) -> bool:
        """Whether the image of the upload exists."""
        return self.image is not None or self.upload.state == UploadState.COMPLETE


class OpenUploads:
    """Reads, lists and cancels uploads. Raises the errors of the backends in addition to its own."""

    def __init__(self, database: Database, object_store: ObjectStore, lock: UploadLock) -> None:
        self._database = database
        self._object_store = object_store
        self._lock = lock

    async def find_stored(self, sha256: bytes, principal: Principal) -> TaggedImage | None:
        """Return the oldest visible image with this digest, with its tags."""
        async with self._database.read_session() as session:
            images = ImageRepository(session)
            oldest = (await images.list_oldest_by_sha256([sha256], principal)).get(sha256)
            return None if oldest is None else await images.get_tagged(oldest, principal)

    async def get_image(self, image_id: uuid.UUID, principal: Principal) -> TaggedImage:
        """Return an image with its tags. Raises ImageNotFound."""
        async with self._database.read_session() as session:
            return await ImageRepository(session).get_tagged(image_id, principal)

    async def get(self, upload_id: uuid.UUID, principal: Principal) -> Progress:
        """Return the state of an upload. A request that appends ends, so that the offset stays valid.

        Raises UploadNotFound, UploadEnded.
        """
        upload = await self.require(upload_id, principal)
        if upload.state == UploadState.OPEN and await self._lock.end_append(upload):
            upload = await self.require(upload_id, principal)
        return progress_of(upload)

    async def cancel(self, upload_id: uuid.UUID, principal: Principal) -> None:
        """End an upload. The image of a completed one remains. Raises UploadNotFound, UploadEnded."""
        upload = await self.require(upload_id, principal)
        self._lock.discard_append(upload_id)
        await self.end(upload)

    async def list_open(self, user_id: uuid.UUID) -> Sequence[Upload]:
        """Return the uploads in progress of an account, oldest first."""
        async with self._database.read_session() as session:
            return await UploadRepository(session).list_open(user_id, MAX_OPEN)

    async def require(self, upload_id: uuid.UUID, principal: Principal) -> Upload:
        """Return an upload that is open or has its image. Raises UploadNotFound, UploadEnded."""
        async with self._database.read_session() as session:
            upload = await UploadRepository(session).find(upload_id)
        if upload is None or upload.user_id != principal.id:
            raise UploadNotFound
        has_image = upload.state == UploadState.COMPLETE and upload.image_id is not None
        if not has_image and (upload.state != UploadState.OPEN or upload.expires_at <= utc_now()):
            raise UploadEnded
        return upload

    async def end(self, upload: Upload, writer: uuid.UUID | None = None) -> bool:
        """End an upload and delete its objects; the sweeper deletes what remains.

        Returns False if it is not open any more or, with a writer, if another request has taken over.
        """
        async with self._database.unit_of_work() as session:
            cancelled = await UploadRepository(session).cancel(upload, writer)
        if cancelled is None:
            return False
        with contextlib.suppress(AppError):
            if cancelled.multipart_id is not None:
                await self._object_store.abort(upload.storage_key, cancelled.multipart_id)
            await remove_orphans(self._database, self._object_store, cancelled.keys)
        return True


def progress_of(upload: Upload) -> Progress:
    """Return the state of an upload, as its row has it."""
    return Progress(upload, upload.received_bytes, upload.length, upload.expires_at)
