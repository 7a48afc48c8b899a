"""Creates the row of an image whose file is stored, with its tags, in one transaction."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from sqlalchemy.ext.asyncio import AsyncSession

from app.authz.principal import Principal
from app.authz.visibility import private_owner, visibility_scope
from app.core.errors import StorageUnavailable
from app.db.asyncpg_queries import SessionRunner, StatementRunner
from app.db.cache_invalidation import LISTS, invalidates_only
from app.db.database import Database
from app.images.errors import NameTaken
from app.images.name_conflict import name_taken
from app.images.new_images import NO_SOURCE, ImageSource, NewImage, NewImageRepository, new_image_id
from app.images.upload.form import OnConflict, UploadFields
from app.media.image_properties import ImageProperties
from app.models import Image
from app.similarity.repository import new_fingerprint
from app.similarity.service import CopyFinder
from app.tags.image_tag_repository import ImageTagRepository, LockedTags
from app.tags.repository import TagRepository
from app.tags.tag_creator import TagCreator
from app.tags.tag_locks import with_locked_tags

# Each further attempt means that another upload took the free name meanwhile.
MAX_RENAMES = 100


class SourceChanged(Exception):
    """The source of the image has ended, or belongs to another request."""


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
    properties: ImageProperties
    storage_key: str


@dataclass(frozen=True, slots=True)
class UploadedImage:
    """A new image, its sorted tags, and the ids of images with the same bytes and of similar images."""

    image: Image
    tags: list[str]
    duplicates: list[uuid.UUID]
    similar: list[uuid.UUID] = field(default_factory=list)


class ImageCreator:
    """Creates images. The key of the stored file must be on the orphan list; the transaction removes it."""

    def __init__(self, database: Database, tag_creator: TagCreator) -> None:
        self._database = database
        self._tag_creator = tag_creator
        self._copies = CopyFinder(database)

    async def create(
        self, stored: StoredFile, fields: UploadFields, principal: Principal, source: ImageSource = NO_SOURCE
    ) -> UploadedImage:
        """Create an image. Raises SourceChanged, NameTaken, StorageUnavailable, TooManyRequests, DatabaseBusy."""
        uploaded = await self._create(stored, fields, principal, source)
        return await self.with_similar(uploaded, stored, principal)

    async def with_similar(self, uploaded: UploadedImage, stored: StoredFile, principal: Principal) -> UploadedImage:
        """Return a committed image with the ids of similar images."""
        fingerprint = new_fingerprint(stored.sha256, stored.properties.perceptual_hash)
        similar = await self._copies.list_copies(uploaded.image.id, fingerprint, visibility_scope(principal))
        return replace(uploaded, similar=similar)

    async def _create(
        self, stored: StoredFile, fields: UploadFields, principal: Principal, source: ImageSource
    ) -> UploadedImage:
        if fields.tags:
            async with self.creation(stored, fields, principal, source) as (_, uploaded):
                return uploaded
        async with self._database.autocommit_connection() as connection:
            new = _new_image(stored, fields, principal, [])
            image, duplicates = await _add(connection, new, stored, principal, fields.on_conflict, source)
        return UploadedImage(image, [], duplicates)

    @asynccontextmanager
    async def creation(
        self, stored: StoredFile, fields: UploadFields, principal: Principal, source: ImageSource = NO_SOURCE
    ) -> AsyncIterator[tuple[AsyncSession, UploadedImage]]:
        """Yield the new image and its transaction, which the end of the block commits. Raises like `create`."""
        owner = private_owner(fields.visibility, principal.id)
        async with with_locked_tags(fields.tags, self._tag_creator, owner) as (session, tags):
            yield session, await _add_tagged(session, stored, fields, principal, tags, source)


async def _add_tagged(
    session: AsyncSession,
    stored: StoredFile,
    fields: UploadFields,
    principal: Principal,
    tags: LockedTags,
    source: ImageSource,
) -> UploadedImage:
    new = _new_image(stored, fields, principal, tags.all)
    image, duplicates = await _add(SessionRunner(session), new, stored, principal, fields.on_conflict, source)
    with invalidates_only(session, LISTS):
        await ImageTagRepository(session).add_tags([image.id], tags)
    names = await TagRepository(session).list_names_by_image([image.id]) if tags.explicit else {image.id: []}
    return UploadedImage(image, names[image.id], duplicates)


async def _add(
    statements: StatementRunner,
    new: NewImage,
    stored: StoredFile,
    principal: Principal,
    on_conflict: OnConflict | None,
    source: ImageSource,
) -> tuple[Image, list[uuid.UUID]]:
    """Write the image; return it, and the ids of images with the same bytes."""
    repository = NewImageRepository(statements)
    original_name = new.name
    for _ in range(MAX_RENAMES):
        result = await repository.add(new, stored.properties.perceptual_hash, principal, source)
        if not result.source_exists:
            raise SourceChanged
        if not result.key_reserved:
            raise StorageUnavailable("The upload took longer than the limit")
        if result.created_at is not None:
            return Image(**new._asdict(), created_at=result.created_at), result.duplicates
        if on_conflict is not OnConflict.RENAME:
            break
        new = new._replace(name=await repository.choose_free_name(original_name))
    owner = await repository.find_by_name(new.name)
    raise name_taken(owner, principal) if owner else NameTaken


def _new_image(stored: StoredFile, fields: UploadFields, principal: Principal, tag_ids: list[int]) -> NewImage:
    metadata = stored.properties.metadata
    return NewImage(
        id=new_image_id(),
        name=stored.name,
        storage_key=stored.storage_key,
        uploaded_by=principal.id,
        content_type=stored.content_type,
        size=stored.size,
        width=stored.properties.dimensions.width,
        height=stored.properties.dimensions.height,
        taken_at=metadata.taken_at,
        taken_at_offset=metadata.taken_at_offset,
        camera=metadata.camera,
        sha256=stored.sha256,
        visibility=fields.visibility,
        # The triggers would set the same: written here, they find nothing to change.
        tag_ids=tag_ids,
    )
