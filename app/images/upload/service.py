"""The upload of an image.

It has two short transactions, and holds no connection while bytes are transferred between them. The first lists the key
as orphaned. The second writes the image and its tags, and removes the key from the list. An upload that is killed at
any point leaves at most an object whose key is on the list. The sweeper deletes it after the grace period.

A file that fits one part is decoded before it is stored: a damaged one never reaches the store. A larger one is stored
first, and the decoder reads it from there. Otherwise the decoder would wait for a slow client, holding all bytes.
"""

import asyncio
import hashlib
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from app.authz.principal import Principal
from app.authz.visibility import private_owner
from app.core.callers import current_caller
from app.core.errors import DatabaseUnavailable, NameTaken, StorageUnavailable, ValidationFailed
from app.core.field_errors import REQUIRED
from app.core.settings import Settings
from app.db.cache_invalidation import LISTS, invalidates_only
from app.db.database import Database
from app.images.content.queued_decoders import QueuedDecoders
from app.images.maintenance.orphan_cleanup import remove_orphans
from app.images.name_conflict import name_taken
from app.images.repository import ImageRepository, NewImage, new_image_id
from app.images.storage_keys import new_original_key
from app.images.upload.form import FormPart, OnConflict, UploadFields, normalized_file_name
from app.images.upload.idempotency import IdempotencyClaims, IdempotencyMismatch, key_id
from app.images.upload.idempotency_repository import IdempotencyRepository, StoredResponse
from app.images.upload.storage_quota import Reservation
from app.images.upload.streams import HashingStream, feed_reader
from app.media.decoder_pool import QUEUE_SECONDS, URL_SECONDS, DecoderInput, Dimensions
from app.media.image_header import HeaderReader
from app.models import Image
from app.models.image import Visibility
from app.storage.chunks import PART_BYTES, length, prepend, split_parts
from app.storage.object_store import ObjectStore
from app.tags.image_tag_repository import ImageTagRepository, LockedTags
from app.tags.repository import TagRepository
from app.tags.tag_creator import TagCreator
from app.tags.tag_locks import with_locked_tags

# Each further attempt means that another upload took the free name meanwhile.
MAX_RENAMES = 100
# A check may wait in the queue before it has a decoder.
CHECK_URL_SECONDS = QUEUE_SECONDS + URL_SECONDS


@dataclass(frozen=True, slots=True)
class MeasuredFile:
    """The name, size and SHA-256 of a file that was read to its end."""

    name: str
    size: int
    sha256: bytes


@dataclass(frozen=True, slots=True)
class StoredFile(MeasuredFile):
    """A file in the object store that a decoder has accepted."""

    content_type: str
    dimensions: Dimensions
    storage_key: str


@dataclass(frozen=True, slots=True)
class UploadedImage:
    """A new image, its sorted tags, and the ids of images with the same bytes."""

    image: Image
    tags: list[str]
    duplicates: list[uuid.UUID]


Parts = AsyncIterator[FormPart]
# Returns the response for a new image, which is stored with its idempotency key.
Render = Callable[[UploadedImage], str]


class UploadService:
    """Creates images from uploads."""

    def __init__(
        self,
        database: Database,
        object_store: ObjectStore,
        decoders: QueuedDecoders,
        tag_creator: TagCreator,
        settings: Settings,
    ) -> None:
        self._database = database
        self._object_store = object_store
        self._decoders = decoders
        self._tag_creator = tag_creator
        self._settings = settings
        self._claims = IdempotencyClaims(database)

    async def upload(self, parts: Parts, principal: Principal) -> UploadedImage:
        """Store the image of a form.

        Raises ValidationFailed, NameTaken, PayloadTooLarge, StorageQuotaExceeded, UnsupportedMediaType, InvalidImage,
        ImageTooLarge, TooManyRequests, DecodersBusy and the errors of the backends. After an error, nothing of the
        upload is left.
        """
        return await self._upload(parts, principal, lambda stored, fields: self._commit(stored, fields, principal))

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
            await self._refuse_taken_name(name, principal)
        await reservation.refuse_full()
        hashing = HashingStream(part.chunks, self._settings.max_upload_bytes)
        reader = HeaderReader(self._settings.max_image_pixels)
        parts = split_parts(feed_reader(hashing, reader))
        first: list[bytes] = await anext(parts, [])
        key = new_original_key()
        if length(first) < PART_BYTES:
            header = reader.finish()
            dimensions = await self._decoders.check(DecoderInput(header.content_type, hashing.size, first))
            await reservation.take(key, hashing.size)
            await self._object_store.put_whole(key, first, header.content_type)
        else:
            await reservation.take(key, length(first))
            # Not to be held here as well while the others follow.
            parts = reservation.follow(prepend(first, parts))
            del first
            # The signature is in the first bytes; metadata of any size may precede the dimensions.
            await self._object_store.put_parts(key, parts, reader.content_type or "application/octet-stream")
            header = reader.finish()
            url = await self._object_store.presign_internal(key, timedelta(seconds=CHECK_URL_SECONDS))
            dimensions = await self._decoders.check(DecoderInput(header.content_type, hashing.size, url))
        return StoredFile(name, hashing.size, hashing.sha256, header.content_type, dimensions, key)

    async def _refuse_taken_name(self, name: str, principal: Principal) -> None:
        async with self._database.read_session() as session:
            owner = await ImageRepository(session).find_by_name(name)
        if owner is not None:
            raise name_taken(owner, principal)

    async def _commit(self, stored: StoredFile, fields: UploadFields, principal: Principal) -> UploadedImage:
        if fields.tags:
            async with self._lock_tags(fields, principal) as (session, tags):
                return await _add_tagged(session, stored, fields, principal, tags)
        async with self._database.autocommit_session() as session:
            new = _new_image(stored, fields, principal, [])
            image, duplicates = await _add(session, new, principal, fields.on_conflict)
        return UploadedImage(image, [], duplicates)

    async def _commit_with_response(
        self, stored: StoredFile, fields: UploadFields, principal: Principal, claimed: bytes, render: Render
    ) -> UploadedImage:
        async with self._lock_tags(fields, principal) as (session, tags):
            uploaded = await _add_tagged(session, stored, fields, principal, tags)
            response = StoredResponse(_fingerprint(stored, fields), render(uploaded))
            await IdempotencyRepository(session).save_response(claimed, uploaded.image.id, response)
        return uploaded

    def _lock_tags(
        self, fields: UploadFields, principal: Principal
    ) -> AbstractAsyncContextManager[tuple[AsyncSession, LockedTags]]:
        owner = private_owner(fields.visibility, principal.id)
        return with_locked_tags(fields.tags, self._tag_creator, owner)


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
        raise ValidationFailed.at(["body", "visibility"], "An anonymous upload cannot be private.")
    return received


async def _add_tagged(
    session: AsyncSession, stored: StoredFile, fields: UploadFields, principal: Principal, tags: LockedTags
) -> UploadedImage:
    new = _new_image(stored, fields, principal, tags.all)
    image, duplicates = await _add(session, new, principal, fields.on_conflict)
    with invalidates_only(session, LISTS):
        await ImageTagRepository(session).add_tags([image.id], tags)
    names = await TagRepository(session).list_names_by_image([image.id]) if tags.explicit else {image.id: []}
    return UploadedImage(image, names[image.id], duplicates)


async def _add(
    session: AsyncSession, new: NewImage, principal: Principal, on_conflict: OnConflict | None
) -> tuple[Image, list[uuid.UUID]]:
    """Write the image; return it, and the ids of images with the same bytes."""
    repository = ImageRepository(session)
    original_name = new.name
    for _ in range(MAX_RENAMES):
        result = await repository.add(new, principal)
        if not result.key_reserved:
            raise StorageUnavailable("The upload took longer than the limit")
        if result.created_at is not None:
            return Image(**new._asdict(), created_at=result.created_at), result.duplicates
        if on_conflict is not OnConflict.RENAME:
            break
        new = new._replace(name=await repository.find_free_name(original_name))
    owner = await repository.find_by_name(new.name)
    raise name_taken(owner, principal) if owner else NameTaken


def _fingerprint(file: MeasuredFile, fields: UploadFields) -> bytes:
    """Return a digest that is equal for equal uploads, with any boundary and order of parts."""
    values = [file.name, file.sha256.hex(), fields.tags, fields.visibility]
    # Only if it was sent: fingerprints of earlier uploads stay valid.
    values += [fields.on_conflict] if fields.on_conflict else []
    return hashlib.sha256(json.dumps(values).encode()).digest()


def _new_image(stored: StoredFile, fields: UploadFields, principal: Principal, tag_ids: list[int]) -> NewImage:
    return NewImage(
        id=new_image_id(),
        name=stored.name,
        storage_key=stored.storage_key,
        uploaded_by=principal.id,
        content_type=stored.content_type,
        size=stored.size,
        width=stored.dimensions.width,
        height=stored.dimensions.height,
        sha256=stored.sha256,
        visibility=fields.visibility,
        # The triggers would set the same: written here, they find nothing to change.
        tag_ids=tag_ids,
    )
