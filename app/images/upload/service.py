"""Upload: where bytes become an image.

Its units of work are short, with the bytes in between, so that no connection is held while they move: list the key as
doomed; stream to the object store; write the image, its tags, and take the key off the list. Killed at any point, it
leaves at most an object whose key is on the list, which the sweeper deletes after the grace.

A file that fits one part is decoded before it is stored: a damaged one never reaches the store. A larger one is stored
first, and the decoder reads it from there: it would otherwise have to wait for the slowest client, with all the bytes.
"""

import asyncio
import hashlib
import json
import uuid
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from app.authz.principal import Principal
from app.authz.visibility import visibility_scope
from app.core.callers import current_caller
from app.core.errors import DatabaseUnavailable, NameTaken, PayloadTooLarge, StorageUnavailable, ValidationFailed
from app.core.field_errors import REQUIRED, unknown_field, unknown_value
from app.core.text.tag_names import normalize_tags, split_tags
from app.db.cache_invalidation import LISTS, invalidates_only
from app.http.container import Services
from app.http.requests.multipart import MultipartStream, Part
from app.images.content.decoder_slot import decoder_slot
from app.images.maintenance.orphan_cleanup import remove_orphans
from app.images.repository import ImageRepository, NameOwner, new_image_id
from app.images.schemas import ImageUploaded, image_path, to_uploaded
from app.images.storage_keys import new_original_key
from app.images.upload.filenames import normalize_name
from app.images.upload.idempotency_repository import (
    IdempotencyClaims,
    IdempotencyMismatch,
    StoredResponse,
    key_id,
    save_response,
)
from app.images.upload.storage_quota import Reservation
from app.media.decoder_pool import QUEUE_SECONDS, URL_SECONDS, Dimensions, Picture
from app.media.image_header import HeaderReader, ImageHeader
from app.models import Image
from app.models.image import Visibility
from app.models.tag import NO_OWNER
from app.storage.chunks import PART_BYTES, length, prepend, split_parts
from app.tags.image_tag_repository import ImageTagRepository, with_locked_tags
from app.tags.repository import TagRepository
from app.tags.tag_creator import TagCreator

FORM_FIELDS = ("image", "tags", "visibility", "on_conflict")
# Each further attempt means that another upload took the free name meanwhile.
MAX_RENAMES = 100
MAX_NAME_LENGTH = 100
# A check may wait in the queue before it has a decoder.
CHECK_URL_SECONDS = QUEUE_SECONDS + URL_SECONDS


class OnConflict(StrEnum):
    """What to do with a file whose name is in use."""

    ERROR = "error"
    RENAME = "rename"


@dataclass(slots=True)
class UploadFields:
    """The fields beside the file, as they come; `on_conflict` is None until it was sent."""

    tags: list[str] = field(default_factory=list)
    visibility: Visibility = Visibility.PUBLIC
    on_conflict: OnConflict | None = None
    _seen: set[str] = field(default_factory=set)

    async def add(self, part: Part) -> None:
        """Take one field. Raises ValidationFailed."""
        if part.name not in FORM_FIELDS:
            raise ValidationFailed([unknown_field(["body", part.name[:MAX_NAME_LENGTH]], FORM_FIELDS)])
        value = await part.text()
        if part.name in self._seen and part.name != "tags":
            raise ValidationFailed.at(["body", part.name], "The field occurs more than once.", "repeated")
        self._seen.add(part.name)
        try:
            if part.name == "tags":
                self.tags = normalize_tags([*self.tags, *split_tags(value)])
            elif part.name == "visibility":
                self.visibility = _choice(Visibility, part.name, value)
            else:
                self.on_conflict = _choice(OnConflict, part.name, value)
        except ValueError as error:
            raise ValidationFailed.at(["body", part.name], str(error)) from error


Choice = TypeVar("Choice", bound=StrEnum)


def _choice(choices: type[Choice], name: str, value: str) -> Choice:
    if value not in tuple(choices):
        raise ValidationFailed([unknown_value(["body", name], value, tuple(choices))])
    return choices(value)


class HashingStream:
    """The bytes of a file on their way: counted, bounded and digested."""

    def __init__(self, chunks: AsyncIterator[bytes], limit: int) -> None:
        self._chunks = chunks
        self._limit = limit
        self._digest = hashlib.sha256()
        self.size = 0

    @property
    def sha256(self) -> bytes:
        return self._digest.digest()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._chunks:
            self.size += len(chunk)
            if self.size > self._limit:
                raise PayloadTooLarge(f"The file is larger than {self._limit} bytes")
            self._digest.update(chunk)
            yield chunk


async def _inspected(chunks: AsyncIterable[bytes], reader: HeaderReader) -> AsyncIterator[bytes]:
    """Yield the same bytes; the reader reads them as they pass, until it knows the header."""
    header: ImageHeader | None = None
    async for chunk in chunks:
        header = header or reader.feed(chunk)
        yield chunk


@dataclass(slots=True)
class ReceivedFile:
    """An upload's file; `storage_key` is where it lies, None when it was only read."""

    name: str
    size: int
    sha256: bytes
    content_type: str | None = None
    dimensions: Dimensions | None = None
    storage_key: str | None = None


class UploadService:
    """Makes images of uploads."""

    def __init__(self, services: Services, tag_creator: TagCreator) -> None:
        self._tag_creator = tag_creator
        self._database = services.database
        self._object_store = services.object_store
        self._decoders = services.decoders
        self._queues = services.queues
        self._settings = services.settings
        self._claims = IdempotencyClaims(services.database)

    async def upload(self, form: MultipartStream, principal: Principal, idempotency_key: str | None) -> ImageUploaded:
        """Store the form's image and return it, or the answer that the same key got for the same upload before.

        Raises ValidationFailed, NameTaken, PayloadTooLarge, StorageQuotaExceeded, UnsupportedMediaType, InvalidImage,
        ImageTooLarge, IdempotencyMismatch, IdempotencyInProgress, TooManyRequests, UploadsBusy, DecodersBusy and the
        errors of the backends; after each of them nothing of the upload is left.
        """
        # Not a byte of the body is read before.
        async with self._queues.uploads.enter(current_caller.get()):
            return await self._run(form, principal, idempotency_key)

    async def _run(self, form: MultipartStream, principal: Principal, idempotency_key: str | None) -> ImageUploaded:
        if idempotency_key is None:
            return await self._upload(form, principal, None)
        caller = current_caller.get()
        claimed = key_id(principal.id, caller.address if caller else "unknown", idempotency_key)
        if earlier := await self._claims.claim(claimed):
            return await self._repeat(form, principal, earlier)
        async with self._claims.held(claimed):
            return await self._upload(form, principal, claimed)

    async def _upload(self, form: MultipartStream, principal: Principal, claimed: bytes | None) -> ImageUploaded:
        fields = UploadFields()
        doomed: list[str] = []
        try:
            received = await self._receive(form, fields, principal, doomed)
            return await self._commit(received, fields, principal, claimed)
        except (StorageUnavailable, DatabaseUnavailable):
            # It would not answer now either: the sweeper does it.
            raise
        except BaseException:
            await asyncio.shield(remove_orphans(self._database, self._object_store, doomed))
            raise

    async def _repeat(self, form: MultipartStream, principal: Principal, earlier: StoredResponse) -> ImageUploaded:
        fields = UploadFields()
        received = await self._receive(form, fields, principal, None)
        if _fingerprint(received, fields) != earlier.fingerprint:
            raise IdempotencyMismatch
        return ImageUploaded.model_validate_json(earlier.response)

    async def _receive(
        self, form: MultipartStream, fields: UploadFields, principal: Principal, doomed: list[str] | None
    ) -> ReceivedFile:
        """Read the form; store its file, with the key added to `doomed`, or with None only read it."""
        received: ReceivedFile | None = None
        async for part in form.parts():
            if part.name != "image":
                await fields.add(part)
            elif received is not None:
                raise ValidationFailed.at(["body", "image"], "An upload must contain exactly one file.")
            elif doomed is None:
                received = await self._read(part)
            else:
                received = await self._store(part, fields, principal, doomed)
        if received is None:
            raise ValidationFailed.at(["body", "image"], REQUIRED, "missing")
        if fields.visibility == Visibility.PRIVATE and principal.id is None:
            raise ValidationFailed.at(["body", "visibility"], "An anonymous upload cannot be private.")
        return received

    async def _read(self, part: Part) -> ReceivedFile:
        name = _file_name(part)
        hashing = HashingStream(part.chunks, self._settings.max_upload_bytes)
        async for _chunk in hashing:
            pass
        return ReceivedFile(name, hashing.size, hashing.sha256)

    async def _store(self, part: Part, fields: UploadFields, principal: Principal, doomed: list[str]) -> ReceivedFile:
        name = _file_name(part)
        # Without the field, it may still follow the file.
        if fields.on_conflict is OnConflict.ERROR:
            await self._refuse_taken_name(name, principal)
        reservation = Reservation(self._database, self._settings, principal.user)
        await reservation.refuse_full()
        hashing = HashingStream(part.chunks, self._settings.max_upload_bytes)
        reader = HeaderReader(self._settings.max_image_pixels)
        parts = split_parts(_inspected(hashing, reader))
        first: list[bytes] = await anext(parts, [])
        key = new_original_key()
        if length(first) < PART_BYTES:
            header = reader.finish()
            dimensions = await self._check(Picture(header.content_type, hashing.size, first))
            # Ours to remove from now on, whether or not the answer to the commit arrives.
            doomed.append(key)
            await reservation.take(key, hashing.size)
            await self._object_store.put_whole(key, first, header.content_type)
        else:
            doomed.append(key)
            await reservation.take(key, length(first))
            # Not to be held here as well while the others follow.
            parts = reservation.follow(prepend(first, parts))
            del first
            # The signature stands in the first bytes; metadata of any size may precede the dimensions.
            await self._object_store.put_parts(key, parts, reader.content_type or "application/octet-stream")
            header = reader.finish()
            url = await self._object_store.presign_internal(key, timedelta(seconds=CHECK_URL_SECONDS))
            dimensions = await self._check(Picture(header.content_type, hashing.size, url))
        return ReceivedFile(name, hashing.size, hashing.sha256, header.content_type, dimensions, key)

    async def _check(self, picture: Picture) -> Dimensions:
        async with decoder_slot(self._queues.decoders):
            return await self._decoders.check(picture)

    async def _refuse_taken_name(self, name: str, principal: Principal) -> None:
        async with self._database.read_session() as session:
            taken = await ImageRepository(session).find_by_name(name)
        if taken is not None:
            raise name_taken(taken, principal)

    async def _commit(
        self, received: ReceivedFile, fields: UploadFields, principal: Principal, claimed: bytes | None
    ) -> ImageUploaded:
        if not fields.tags and claimed is None:
            async with self._database.autocommit_session() as session:
                row = _row(received, fields, principal, [])
                image, duplicates = await self._add(session, row, principal, fields.on_conflict)
            return to_uploaded(image, [], duplicates)
        private_to = None if fields.visibility == Visibility.PUBLIC else principal.id or NO_OWNER
        async with with_locked_tags(fields.tags, self._tag_creator, private_to) as (session, locked_tags):
            row = _row(received, fields, principal, locked_tags.all)
            image, duplicates = await self._add(session, row, principal, fields.on_conflict)
            with invalidates_only(session, LISTS):
                await ImageTagRepository(session).add_tags([image.id], locked_tags)
            names = (
                await TagRepository(session).list_names_by_image([image.id]) if locked_tags.explicit else {image.id: []}
            )
            answer = to_uploaded(image, names[image.id], duplicates)
            if claimed is not None:
                earlier = StoredResponse(_fingerprint(received, fields), answer.model_dump_json())
                await save_response(session, claimed, image.id, earlier)
        return answer

    async def _add(
        self, session: AsyncSession, row: dict[str, Any], principal: Principal, on_conflict: OnConflict | None
    ) -> tuple[Image, list[uuid.UUID]]:
        """Write the image; return it, and the ids of those that have the same bytes."""
        repository = ImageRepository(session)
        name = row["name"]
        for _ in range(MAX_RENAMES):
            added = await repository.add(row, principal)
            if not added.key_reserved:
                raise StorageUnavailable("The upload took longer than the limit")
            if added.created_at is not None:
                return Image(**row, created_at=added.created_at), added.duplicates
            if on_conflict is not OnConflict.RENAME:
                break
            row["name"] = await repository.find_free_name(name)
        taken = await repository.find_by_name(row["name"])
        raise name_taken(taken, principal) if taken else NameTaken


def name_taken(taken: NameOwner, principal: Principal) -> NameTaken:
    """Make the error, with the path of the image that has the name when the principal may see it."""
    return NameTaken(image=image_path(taken.id)) if visibility_scope(principal).sees(taken) else NameTaken()


def _file_name(part: Part) -> str:
    if part.filename is None:
        raise ValidationFailed.at(["body", "image"], "The part has no file name.", "missing")
    try:
        return normalize_name(part.filename)
    except ValueError as error:
        raise ValidationFailed.at(["body", "image", "filename"], str(error)) from error


def _fingerprint(received: ReceivedFile, fields: UploadFields) -> bytes:
    """Return what makes two uploads the same, whatever boundary and order of parts they were sent with."""
    told = [received.name, received.sha256.hex(), fields.tags, fields.visibility]
    # Only where it was sent: fingerprints of earlier uploads stay valid.
    told += [fields.on_conflict] if fields.on_conflict else []
    return hashlib.sha256(json.dumps(told).encode()).digest()


def _row(received: ReceivedFile, fields: UploadFields, principal: Principal, tag_ids: list[int]) -> dict[str, Any]:
    assert received.dimensions is not None  # noqa: S101 - known for a file that was stored
    return {
        "id": new_image_id(),
        "name": received.name,
        "storage_key": received.storage_key,
        "uploaded_by": principal.id,
        "content_type": received.content_type,
        "size": received.size,
        "width": received.dimensions.width,
        "height": received.dimensions.height,
        "sha256": received.sha256,
        "visibility": fields.visibility,
        # What the triggers would make of it: written here, they find nothing to change.
        "tag_ids": tag_ids,
    }
