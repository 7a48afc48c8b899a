"""The creation of resumable uploads and the receipt of their bytes, for both protocols."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from datetime import timedelta

from app.authz.principal import Principal
from app.core.callers import current_caller
from app.core.errors import (
    AppError,
    DatabaseUnavailable,
    PayloadTooLarge,
    StorageUnavailable,
    Unprocessable,
    UnsupportedMediaType,
    ValidationFailed,
)
from app.core.settings import Settings
from app.db.base import utc_now
from app.db.database import Database
from app.images.errors import NameTaken
from app.images.maintenance.orphan_cleanup import remove_orphans
from app.images.name_conflict import name_taken
from app.images.storage_keys import new_original_key
from app.images.upload.form import ANONYMOUS_PRIVATE, OnConflict, UploadFields
from app.images.upload.storage_quota import Reservation
from app.models import Image, Upload
from app.models.image import Visibility
from app.models.upload import UploadState
from app.storage.object_store import ObjectStore
from app.uploads.appending.active_appends import ActiveAppends, HeldUpload, UploadLock
from app.uploads.appending.append import Append, Appending, Limits, check_content_length, check_offset, whole_file
from app.uploads.appending.inspection import Inspection
from app.uploads.appending.part_uploader import PartUploader
from app.uploads.completion import UploadCompletion
from app.uploads.errors import (
    AppendSuperseded,
    AppendTooLarge,
    ExcessBytes,
    InconsistentLength,
    TooManyUploads,
    UploadEnded,
)
from app.uploads.open_uploads import MAX_OPEN, OpenUploads, Progress, progress_of
from app.uploads.repository import AcquiredUpload, CreationChecks, NewUploadRepository, UploadRepository

MAX_OPEN_ANONYMOUS = 100


@dataclass(frozen=True, slots=True)
class NewUpload:
    """The declarations of a client about a new upload. `client_metadata` is `Upload-Metadata` as it was sent."""

    name: str | None
    fields: UploadFields
    length: int | None = None
    sha256: bytes | None = None
    client_metadata: str | None = None


class ResumableUploads:
    """Creates and continues resumable uploads. Raises the errors of the backends in addition to its own."""

    def __init__(
        self,
        database: Database,
        object_store: ObjectStore,
        open_uploads: OpenUploads,
        completion: UploadCompletion,
        appends: ActiveAppends,
        settings: Settings,
    ) -> None:
        self._database = database
        self._object_store = object_store
        self._open_uploads = open_uploads
        self._completion = completion
        self._appends = appends
        self._lock = UploadLock(database, appends)
        self._settings = settings
        self._lifetime = timedelta(hours=settings.upload_expiry_hours)

    async def create(self, new: NewUpload, principal: Principal) -> Progress:
        """Create an upload.

        Raises NameTaken, PayloadTooLarge, StorageQuotaExceeded, TooManyUploads, ValidationFailed.
        """
        upload = self._new_row(new, principal)
        await self._add(upload, new, principal)
        return progress_of(upload)

    async def create_stored(self, new: NewUpload, principal: Principal, image: Image) -> Progress | None:
        """Create a complete upload, whose bytes are those of this image. Returns None if the image was deleted.

        Raises like `create`.
        """
        upload = self._new_row(new, principal)
        upload.state, upload.image_id = UploadState.COMPLETE, image.id
        # The client may have deferred the length.
        upload.received_bytes = upload.length = image.size
        async with self._database.unit_of_work() as session:
            is_added = await UploadRepository(session).add_complete(upload)
        return progress_of(upload) if is_added else None

    async def create_and_append(
        self,
        new: NewUpload,
        request: Append,
        body: AsyncGenerator[bytes],
        principal: Principal,
        announce: Callable[[uuid.UUID], None],
    ) -> Progress:
        """Create an upload, call `announce` with its id, and append the body. Raises like `create` and `append`."""
        upload = self._new_row(new, principal)
        whole = whole_file(request)

        async def add(writer: uuid.UUID) -> AcquiredUpload:
            upload.writer = writer
            key = whole.key if whole is not None and whole.size == new.length else None
            await self._add(upload, new, principal, key)
            return AcquiredUpload(upload, writer, new.length or 0, key)

        async with self._lock.hold_new(upload.id, add) as held:
            announce(upload.id)
            return await self._append(held, request, body, principal)

    async def append(
        self, upload_id: uuid.UUID, request: Append, body: AsyncGenerator[bytes], principal: Principal
    ) -> Progress:
        """Append the body. An earlier request that appends to the same upload is terminated.

        After an error of the client's connection, the received bytes are part of the upload. A failed check of the file
        deletes the upload. Raises OffsetMismatch, InconsistentLength, PayloadTooLarge, AppendSuperseded, UploadEnded,
        UploadNotFound, the error of the checksum, and the errors of an upload.
        """
        if self._appends.find(upload_id) is not None:
            # Only its owner may end the earlier request.
            await self._open_uploads.require(upload_id, principal)
        async with self._lock.hold(upload_id, principal.id, whole_file(request)) as held:
            if held is not None:
                return await self._append(held, request, body, principal)
        upload = await self._open_uploads.require(upload_id, principal)
        if upload.state != UploadState.COMPLETE:
            raise AppendSuperseded
        check_offset(upload, request)
        if request.content_length != 0:
            raise AppendTooLarge("The upload is complete.")
        return progress_of(upload)

    def _new_row(self, new: NewUpload, principal: Principal) -> Upload:
        self._check_size(new.length or 0)
        if new.fields.visibility == Visibility.PRIVATE and principal.id is None:
            raise ValidationFailed.at(["header", "Upload-Metadata", "visibility"], ANONYMOUS_PRIVATE)
        upload_id = uuid.uuid4()
        caller = current_caller.get()
        return Upload(
            id=upload_id,
            user_id=principal.id,
            client=caller.address if principal.id is None and caller else None,
            name=new.name or str(upload_id),
            tags=new.fields.tags,
            visibility=new.fields.visibility,
            on_conflict=new.fields.on_conflict,
            sha256=new.sha256,
            client_metadata=new.client_metadata,
            length=new.length,
            received_bytes=0,
            storage_key=new_original_key(),
            next_part_number=1,
            state=UploadState.OPEN,
            expires_at=utc_now() + self._lifetime,
        )

    def _check_size(self, size: int) -> None:
        if size > self._settings.max_upload_bytes:
            raise PayloadTooLarge(f"A file can have at most {self._settings.max_upload_bytes} bytes")

    async def _add(self, upload: Upload, new: NewUpload, principal: Principal, whole_key: str | None = None) -> None:
        """Insert an upload with its reservation. `whole_key` is also listed as orphaned."""
        reservation = Reservation(self._database, self._settings, principal.user)
        await reservation.require_space()
        checks_name = new.name is not None and new.fields.on_conflict is not OnConflict.RENAME
        most = MAX_OPEN_ANONYMOUS if upload.user_id is None else MAX_OPEN
        checks = CreationChecks(upload.name if checks_name else None, most)
        async with reservation.checked(upload.storage_key, new.length or 0) as statements:
            result = await NewUploadRepository(statements).add(upload, checks, whole_key)
            if result.name_owner is not None:
                raise name_taken(result.name_owner, principal)
            if not result.is_added:
                raise TooManyUploads

    async def _append(
        self, held: HeldUpload, request: Append, body: AsyncGenerator[bytes], principal: Principal
    ) -> Progress:
        try:
            return await self._append_held(held, request, body, principal)
        except (StorageUnavailable, DatabaseUnavailable):
            # The backend would not respond now either: the sweeper removes the object.
            raise
        except BaseException:
            keys = [held.acquired.whole_key] if held.acquired.whole_key else []
            await asyncio.shield(remove_orphans(self._database, self._object_store, keys))
            raise

    async def _append_held(
        self, held: HeldUpload, request: Append, body: AsyncGenerator[bytes], principal: Principal
    ) -> Progress:
        upload, writer = held.acquired.upload, held.acquired.writer
        check_offset(upload, request)
        try:
            length = await self._learn_length(upload, writer, request)
            check_content_length(upload, request, length)
            appending = await self._open(held, request, length, principal)
            try:
                offset = await appending.run(body)
            finally:
                # Another worker may store other bytes in place of discarded ones.
                if appending.inspection and appending.inspection.size == appending.part_uploader.stored_bytes:
                    self._appends.keep_inspection(upload.id, appending.inspection)
            if not appending.completes:
                return Progress(upload, offset, length, utc_now() + self._lifetime)
            remainder = await appending.part_uploader.take_remainder()
            image = await self._completion.complete(held.acquired, remainder, appending.inspection, principal)
            held.active.has_completed = True
        except AppError as error:
            if _ends_upload(error) and not await self._open_uploads.end(upload, writer):
                raise AppendSuperseded from error
            raise
        return Progress(upload, remainder.end, remainder.end, upload.expires_at, image)

    async def _open(self, held: HeldUpload, request: Append, length: int | None, principal: Principal) -> Appending:
        upload, reserved = held.acquired.upload, held.acquired.reserved_bytes
        reservation = Reservation.resume(self._database, self._settings, principal.user, upload.storage_key, reserved)
        await reservation.extend(length or 0)
        defers = request.checksum is not None
        part_uploader = PartUploader(
            self._database,
            self._object_store,
            upload,
            held.acquired.writer,
            reservation,
            self._lifetime,
            defers_offset=defers,
        )
        await part_uploader.open()
        inspection = self._appends.take_inspection(upload.id, upload.received_bytes) or self._new_inspection(upload)
        limits = Limits(length, self._settings.max_upload_bytes)
        return Appending(part_uploader, held.active, request, inspection, upload.received_bytes, limits)

    def _new_inspection(self, upload: Upload) -> Inspection | None:
        return None if upload.received_bytes else self._completion.begin_inspection()

    async def _learn_length(self, upload: Upload, writer: uuid.UUID, request: Append) -> int | None:
        """Return the length of the upload, and store it if this request declares it."""
        length = request.length
        if request.completes and request.content_length is not None:
            if length not in (None, request.offset + request.content_length):
                raise InconsistentLength
            length = request.offset + request.content_length
        if length is None or upload.length is not None:
            if length not in (None, upload.length):
                raise InconsistentLength(f"The length of the upload is {upload.length} bytes.")
            return upload.length
        self._check_size(length)
        if length < upload.received_bytes:
            raise InconsistentLength("The upload has more bytes already.")
        async with self._database.unit_of_work() as session:
            if not await UploadRepository(session).change(upload.id, writer, {"length": length}):
                raise AppendSuperseded
        return length


def _ends_upload(error: AppError) -> bool:
    """Return whether no further request can complete the upload: a check of the file failed, or its bytes are lost."""
    failed = (Unprocessable, UnsupportedMediaType, PayloadTooLarge, NameTaken, ExcessBytes, UploadEnded)
    return isinstance(error, failed) and not isinstance(error, AppendTooLarge)
