"""Upload and delete: where bytes and rows meet.

An upload is three short units of work with the bytes in between, so that no connection is held while they move:
list the key as doomed; stream to the object store; write the image, its tags, and take the key off the list. Killed at
any point, it leaves at most an object whose key is on the list, which the sweeper deletes after the grace.
"""

import asyncio
import contextlib
import hashlib
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from app.core.errors import (
    AppError,
    Forbidden,
    NameTaken,
    PayloadTooLarge,
    StorageUnavailable,
    ValidationFailed,
)
from app.core.tag_names import normalize_tags
from app.http.multipart import MultipartStream, Part
from app.http.state import Services
from app.images.inspection import HeaderReader, ImageHeader
from app.images.names import normalize_name
from app.images.repository import ImageRepository, new_image_id
from app.models import Image
from app.models.image import Visibility
from app.tags.repository import TagRepository
from app.tags.tagging import Tagging, holding
from app.users.viewer import Viewer


@dataclass(slots=True)
class StoredFile:
    """An upload's file, in the object store already."""

    name: str
    storage_key: str
    size: int
    sha256: bytes
    header: ImageHeader


@dataclass(slots=True)
class UploadFields:
    """The fields beside the file, as they come."""

    tags: list[str] = field(default_factory=list)
    visibility: Visibility = Visibility.PUBLIC

    def add(self, name: str, value: str) -> None:
        """Take one field. Raises ValidationFailed."""
        try:
            if name == "tags":
                self.tags = normalize_tags([*self.tags, *(tag for tag in value.split(",") if tag.strip())])
            elif name == "visibility":
                self.visibility = Visibility(value)
            else:
                raise ValidationFailed.at(["body", name], "no such field", "extra_forbidden")
        except ValueError as error:
            raise ValidationFailed.at(["body", name], str(error)) from error


class ImageService:
    """What touches both the rows and the bytes of images."""

    def __init__(self, services: Services) -> None:
        self._database = services.database
        self._object_store = services.object_store
        self._settings = services.settings

    async def upload(self, form: MultipartStream, viewer: Viewer) -> tuple[Image, list[str]]:
        """Store the form's image; return its row and its sorted tags.

        Raises ValidationFailed, NameTaken, PayloadTooLarge, UnsupportedMediaType, InvalidImage, ImageTooLarge and the
        errors of the backends; after each of them nothing of the upload is left.
        """
        fields = UploadFields()
        doomed: list[str] = []
        try:
            stored = await self._receive(form, fields, viewer, doomed)
            return await self._commit(stored, fields, viewer)
        except BaseException:
            await asyncio.shield(self._discard(doomed))
            raise

    async def delete(self, image_id: uuid.UUID, viewer: Viewer) -> None:
        """Delete an image. Raises ImageNotFound, Forbidden."""
        async with self._database.unit_of_work() as session:
            repository = ImageRepository(session)
            image = await repository.get_for_change(image_id, viewer)
            require_owner(image, viewer)
            await repository.remove(image)
        await self._discard([image.storage_key])

    async def _receive(
        self, form: MultipartStream, fields: UploadFields, viewer: Viewer, doomed: list[str]
    ) -> StoredFile:
        stored: StoredFile | None = None
        async for part in form.parts():
            if part.name != "image":
                fields.add(part.name, await part.text())
            elif stored is None:
                stored = await self._store(part, viewer, doomed)
            else:
                raise ValidationFailed.at(["body", "image"], "one file an upload")
        if stored is None:
            raise ValidationFailed.at(["body", "image"], "field required", "missing")
        return stored

    async def _store(self, part: Part, viewer: Viewer, doomed: list[str]) -> StoredFile:
        name = _file_name(part)
        await self._refuse_taken_name(name, viewer)
        digest, limit = hashlib.sha256(), self._settings.max_upload_bytes
        size = 0

        async def measured() -> AsyncIterator[bytes]:
            nonlocal size
            async for chunk in part.chunks:
                size += len(chunk)
                if size > limit:
                    raise PayloadTooLarge(f"The file is larger than {limit} bytes")
                digest.update(chunk)
                yield chunk

        chunks = measured()
        header, head = await self._read_header(chunks)
        key = f"originals/{uuid.uuid4()}"
        async with self._database.unit_of_work() as session:
            await ImageRepository(session).doom([key])
        doomed.append(key)
        await self._object_store.put(key, _chained(head, chunks), header.content_type)
        return StoredFile(name, key, size, digest.digest(), header)

    async def _refuse_taken_name(self, name: str, viewer: Viewer) -> None:
        async with self._database.reader() as session:
            taken = await ImageRepository(session).find_by_name(name)
        if taken is not None:
            raise name_taken(taken, viewer)

    async def _read_header(self, chunks: AsyncIterator[bytes]) -> tuple[ImageHeader, bytes]:
        reader = HeaderReader(self._settings.max_image_pixels)
        async for chunk in chunks:
            if header := reader.feed(chunk):
                return header, bytes(reader.head)
        raise reader.failure()

    async def _commit(self, stored: StoredFile, fields: UploadFields, viewer: Viewer) -> tuple[Image, list[str]]:
        async with holding(self._database, fields.tags) as (session, held):
            repository = ImageRepository(session)
            image = await repository.add_unless_taken(_row(stored, fields, viewer, held.all))
            if image is None:
                taken = await repository.find_by_name(stored.name)
                raise name_taken(taken, viewer) if taken else NameTaken
            await Tagging(session).give([image.id], held)
            names = (await TagRepository(session).names_of([image.id]))[image.id]
            if not await repository.spare([stored.storage_key]):
                raise StorageUnavailable("The upload took longer than its object may stay without an image")
        return image, names

    async def _discard(self, doomed: list[str]) -> None:
        """Delete objects now rather than at the sweeper's next round; they stay listed when that does not work."""
        if not doomed:
            return
        with contextlib.suppress(AppError):
            await self._object_store.remove(doomed)
            async with self._database.unit_of_work() as session:
                await ImageRepository(session).spare(doomed)


def require_owner(image: Image, viewer: Viewer) -> None:
    """Let the owner and the admins pass. Raises Forbidden for others, who may see the image."""
    if not viewer.is_admin and (viewer.id is None or image.uploaded_by != viewer.id):
        raise Forbidden("Only the owner of the image or an admin may do this")


def name_taken(taken: Image, viewer: Viewer) -> NameTaken:
    """Make the error, with the path of the image that has the name when the viewer may see it."""
    may_see = taken.visibility == Visibility.PUBLIC or viewer.is_admin or viewer.id == taken.uploaded_by is not None
    return NameTaken(image=f"/v1/images/{taken.id}") if may_see else NameTaken()


def _file_name(part: Part) -> str:
    if part.filename is None:
        raise ValidationFailed.at(["body", "image"], "the part has no file name", "missing")
    try:
        return normalize_name(part.filename)
    except ValueError as error:
        raise ValidationFailed.at(["body", "image", "filename"], str(error)) from error


def _row(stored: StoredFile, fields: UploadFields, viewer: Viewer, tag_ids: list[int]) -> dict[str, Any]:
    return {
        "id": new_image_id(),
        "name": stored.name,
        "storage_key": stored.storage_key,
        "uploaded_by": viewer.id,
        "content_type": stored.header.content_type,
        "size": stored.size,
        "width": stored.header.width,
        "height": stored.header.height,
        "sha256": stored.sha256,
        "visibility": fields.visibility,
        # What the triggers would make of it: written here, they find nothing to change.
        "tag_ids": tag_ids,
    }


async def _chained(head: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield head
    async for chunk in rest:
        yield chunk
