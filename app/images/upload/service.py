"""The upload of an image.

Short transactions precede and follow the transfer, which holds no connection. The first lists the key as orphaned. The
last writes the image and its tags, and removes the key from the list. An upload that is killed at
any point leaves at most an object whose key is on the list. The sweeper deletes it after the grace period.

A file that fits one part is decoded before it is stored: a damaged one never reaches the store. A larger one is stored
first, and the decoder reads it from there. Otherwise the decoder would wait for a slow client, holding all bytes.
"""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from app.authz.principal import Principal
from app.core.callers import current_caller
from app.core.errors import DatabaseUnavailable, StorageUnavailable, ValidationFailed
from app.core.field_errors import REQUIRED
from app.core.settings import Settings
from app.db.database import Database
from app.images.maintenance.orphan_cleanup import remove_orphans
from app.images.name_conflict import refuse_taken_name
from app.images.storage_keys import new_original_key
from app.images.upload.file_checker import FileChecker
from app.images.upload.form import ANONYMOUS_PRIVATE, FormPart, NoFields, OnConflict, UploadFields, normalized_file_name
from app.images.upload.idempotency import IdempotencyClaims, IdempotencyMismatch, key_id
from app.images.upload.idempotency_repository import IdempotencyRepository, StoredResponse
from app.images.upload.image_creator import ImageCreator, MeasuredFile, StoredFile, UploadedImage
from app.images.upload.storage_quota import Reservation
from app.images.upload.streams import HashingStream, feed_reader
from app.models.image import Visibility
from app.storage.chunks import PART_BYTES, length, prepend, split_parts
from app.storage.object_store import ObjectStore

Parts = AsyncIterator[FormPart]
# Returns the response for a new image, which is stored with its idempotency key.
Render = Callable[[UploadedImage], str]


class UploadService:
    """Creates images from uploads."""

    def __init__(
        self,
        database: Database,
        object_store: ObjectStore,
        checker: FileChecker,
        creator: ImageCreator,
        settings: Settings,
    ) -> None:
        self._database = database
        self._object_store = object_store
        self._checker = checker
        self._creator = creator
        self._settings = settings
        self._claims = IdempotencyClaims(database)

    async def upload(self, parts: Parts, principal: Principal) -> UploadedImage:
        """Store the image of a form.

        Raises ValidationFailed, NameTaken, PayloadTooLarge, StorageQuotaExceeded, UnsupportedMediaType, InvalidImage,
        ImageTooLarge, TooManyRequests, DecodersBusy and the errors of the backends. After an error of
        the client, nothing of the upload is left. After that of a backend, the sweeper deletes the object.
        """
        return await self._upload(
            parts, principal, lambda stored, fields: self._creator.create(stored, fields, principal)
        )

    async def upload_once(
        self, parts: Parts, principal: Principal, key: str, render: Render
    ) -> UploadedImage | StoredResponse:
        """Store the image of a form, or return the response to the same upload with the same idempotency key.

        Raises what `upload` raises, and IdempotencyMismatch, IdempotencyInProgress.
        """
        caller = current_caller.get()
        claimed = key_id(principal.id, caller.address if caller else "unknown", key)
        if earlier := await self._claims.claim(claimed):
            return await self._repeat(parts, principal, earlier)

        async def commit(stored: StoredFile, fields: UploadFields) -> UploadedImage:
            return await self._commit_with_response(stored, fields, principal, claimed, render)

        async with self._claims.held(claimed):
            return await self._upload(parts, principal, commit)

    async def inspect(self, parts: Parts, principal: Principal) -> StoredFile:
        """Check the file of a form like that of an upload, and store nothing: the returned key has no object.

        Raises like `upload`, except for errors of the name and the quota.
        """
        reservation = Reservation(self._database, self._settings, None)
        try:
            return await _read_form(
                parts, NoFields(), principal, lambda part: self._receive(part, reservation, stores_small=False)
            )
        finally:
            # A file that is larger than a part is in the store while it is decoded.
            await asyncio.shield(remove_orphans(self._database, self._object_store, reservation.keys))

    async def _upload(
        self, parts: Parts, principal: Principal, commit: Callable[[StoredFile, UploadFields], Awaitable[UploadedImage]]
    ) -> UploadedImage:
        reservation = Reservation(self._database, self._settings, principal.user)
        fields = UploadFields()
        try:
            stored = await _read_form(
                parts, fields, principal, lambda part: self._store(part, fields, principal, reservation)
            )
            return await commit(stored, fields)
        except (StorageUnavailable, DatabaseUnavailable):
            # The backend would not respond now either: the sweeper removes the object.
            raise
        except BaseException:
            await asyncio.shield(remove_orphans(self._database, self._object_store, reservation.keys))
            raise

    async def _repeat(self, parts: Parts, principal: Principal, earlier: StoredResponse) -> StoredResponse:
        fields = UploadFields()
        measured = await _read_form(parts, fields, principal, self._measure)
        if _fingerprint(measured, fields) != earlier.fingerprint:
            raise IdempotencyMismatch
        return earlier

    async def _measure(self, part: FormPart) -> MeasuredFile:
        """Read a file without storing it."""
        name = normalized_file_name(part)
        hashing = HashingStream(part.chunks, self._settings.max_upload_bytes)
        async for _chunk in hashing:
            pass
        return MeasuredFile(name, hashing.size, hashing.sha256)

    async def _store(
        self, part: FormPart, fields: UploadFields, principal: Principal, reservation: Reservation
    ) -> StoredFile:
        name = normalized_file_name(part)
        # Without the field, it may still follow the file.
        if fields.on_conflict is OnConflict.ERROR:
            await refuse_taken_name(self._database, name, principal)
        await reservation.require_space()
        return await self._receive(part, reservation, stores_small=True)

    async def _receive(self, part: FormPart, reservation: Reservation, *, stores_small: bool) -> StoredFile:
        """Read a file to its end and check it. One that fits a part is stored only with `stores_small`."""
        name = normalized_file_name(part)
        hashing = HashingStream(part.chunks, self._settings.max_upload_bytes)
        reader = self._checker.header_reader()
        parts = split_parts(feed_reader(hashing, reader))
        first: list[bytes] = await anext(parts, [])
        key = new_original_key()
        if length(first) < PART_BYTES:
            header = reader.finish()
            properties = await self._checker.check_bytes(header, first)
            if stores_small:
                await reservation.reserve(key, hashing.size)
                await self._object_store.put_whole(key, first, header.content_type)
        else:
            await reservation.reserve(key, length(first))
            # Not to be held here as well while the others follow.
            parts = reservation.reserve_parts(prepend(first, parts))
            del first
            # The signature is in the first bytes; metadata of any size may precede the dimensions.
            await self._object_store.put_parts(key, parts, reader.content_type or "application/octet-stream")
            header = reader.finish()
            properties = await self._checker.check_object(header, key, hashing.size)
        return StoredFile(name, hashing.size, hashing.sha256, header.content_type, properties, key)

    async def _commit_with_response(
        self, stored: StoredFile, fields: UploadFields, principal: Principal, claimed: bytes, render: Render
    ) -> UploadedImage:
        async with self._creator.creation(stored, fields, principal) as (session, uploaded):
            response = StoredResponse(_fingerprint(stored, fields), render(uploaded))
            await IdempotencyRepository(session).add_response(claimed, uploaded.image.id, response)
        # Only after the commit is one of two concurrent uploads sure to find the other. A kill before the second
        # transaction leaves a response without similar images: the client never received another one.
        complete = await self._creator.with_similar(uploaded, stored, principal)
        if complete.similar:
            async with self._database.unit_of_work() as session:
                response = StoredResponse(response.fingerprint, render(complete))
                await IdempotencyRepository(session).replace_response(claimed, response)
        return complete


File = TypeVar("File", bound=MeasuredFile)


async def _read_form(
    parts: Parts, fields: UploadFields, principal: Principal, receive: Callable[[FormPart], Awaitable[File]]
) -> File:
    """Read all parts: the fields into `fields`, the one file with `receive`. Raises ValidationFailed."""
    received: File | None = None
    async for part in parts:
        if part.name != "image":
            await fields.add(part)
        elif received is not None:
            raise ValidationFailed.at(["body", "image"], "An upload must contain exactly one file.")
        else:
            received = await receive(part)
    if received is None:
        raise ValidationFailed.at(["body", "image"], REQUIRED, "missing")
    if fields.visibility == Visibility.PRIVATE and principal.id is None:
        raise ValidationFailed.at(["body", "visibility"], ANONYMOUS_PRIVATE)
    return received


def _fingerprint(file: MeasuredFile, fields: UploadFields) -> bytes:
    """Return a digest that is equal for equal uploads, with any boundary and order of parts."""
    values = [file.name, file.sha256.hex(), fields.tags, fields.visibility]
    # Only if it was sent: fingerprints of earlier uploads stay valid.
    values += [fields.on_conflict] if fields.on_conflict else []
    return hashlib.sha256(json.dumps(values).encode()).digest()
