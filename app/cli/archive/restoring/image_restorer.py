"""Restores the images of an archive, with the steps and the checks of an upload.

The key of an original is on the orphan list before its bytes are stored. One transaction removes it and inserts the
image with its tags. So a kill leaves at most an object that the sweeper deletes.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import IO

from sqlalchemy.ext.asyncio import AsyncSession

from app.cli.archive.archive_format import ArchivedImage, ArchivedImageTag
from app.cli.archive.archive_reader import ArchiveEntry, ArchiveReader, ItemRefused
from app.cli.archive.restoring.restore_repository import NewTagOfImage, RestoreRepository
from app.cli.archive.restoring.restore_results import RestoreOutcome, RestoreResult
from app.cli.backends import Backends
from app.core.errors import AppError, DatabaseBusy, Unavailable
from app.core.settings import Settings
from app.db.cache_invalidation import LISTS, image_scope, invalidates_only
from app.images.maintenance.orphan_cleanup import remove_orphans
from app.images.new_images import NewImage
from app.images.repository import ImageRepository
from app.images.storage_keys import new_original_key
from app.images.trash.repository import TrashRepository
from app.images.upload.storage_quota import Reservation
from app.images.upload.streams import HashingStream, feed_reader
from app.media.decoder_pool import URL_SECONDS, DecoderInput
from app.media.image_header import HeaderReader
from app.media.image_properties import ImageProperties
from app.media.metadata.photo_metadata import PhotoMetadata
from app.models import Image, TrashedImage
from app.similarity.repository import SimilarityRepository
from app.storage.chunks import PART_BYTES, length, prepend, split_parts
from app.tags.image_tag_repository import ImageTagRepository
from app.tags.repository import TagRepository

READ_BYTES = 256 * 1024
# A decoder reads larger files from the store only, and a dry run stores none.
MAX_DRY_RUN_BYTES = 32 * 1024 * 1024
# A tag can be locked by a change of an admin.
_WAITS = (0.0, 0.1, 0.2, 0.4, 0.8)


class _Conflict(Exception):
    """The service has something else in the place of an image, for this reason."""


@dataclass(slots=True)
class ImageRestorer:
    """Restores single images.

    `owners` maps accounts of the archive to others of the service. A dry run takes the accounts and tags
    for existing that a restore would add.
    """

    backends: Backends
    settings: Settings
    reader: ArchiveReader
    owners: Mapping[uuid.UUID, uuid.UUID]
    added_accounts: Collection[uuid.UUID]
    added_tags: Collection[str]
    last_event_id: int
    _decoding: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        # An image waits here for a decoder without a timeout, unlike a request.
        self._decoding = asyncio.Semaphore(self.settings.decoder_processes)

    async def restore(self, entry: ArchiveEntry, *, is_dry_run: bool) -> RestoreResult:
        """Restore an image, or return why not. Raises Unavailable if a backend does not respond."""
        path = entry.sidecar.path
        try:
            image = self.reader.read_sidecar(entry)
            if await self._is_stored(image):
                return RestoreResult(path, RestoreOutcome.STORED)
            if is_dry_run:
                await self._check(image)
            else:
                await self._store(image)
        except ItemRefused as error:
            return RestoreResult(path, RestoreOutcome.REFUSED, str(error))
        except _Conflict as error:
            return RestoreResult(path, RestoreOutcome.CONFLICT, str(error))
        except Unavailable:
            raise
        except AppError as error:
            return RestoreResult(path, RestoreOutcome.REFUSED, error.detail)
        return RestoreResult(path, RestoreOutcome.RESTORED)

    def _account(self, archived: uuid.UUID | None) -> uuid.UUID | None:
        """Return the account of the service that takes the place of one of the archive."""
        return None if archived is None else self.owners.get(archived, archived)

    async def _is_stored(self, image: ArchivedImage) -> bool:
        """Return whether the service has the same image. Raises _Conflict, ItemRefused."""
        async with self.backends.database.read_session() as session:
            images = ImageRepository(session)
            found: Image | TrashedImage | None = await images.find(image.id)
            trashed = await TrashRepository(session).find(image.id)
            if image.trashed is not None:
                found, trashed = trashed, found
            if found is not None:
                await self._compare(session, image, found)
                return True
            if trashed is not None:
                place = "in" if image.trashed is None else "not in"
                raise _Conflict(f"the image is {place} the trash of the service")
            if image.trashed is None and (named := await images.find_by_name(image.name)):
                raise _Conflict(f"the image {named.id} has the name")
            owner = self._account(image.uploaded_by)
            if owner is None or owner in self.added_accounts:
                return False
            if not await RestoreRepository(session).list_existing_accounts([owner]):
                raise ItemRefused(f"the account {owner} does not exist")
        return False

    async def _compare(self, session: AsyncSession, image: ArchivedImage, found: Image | TrashedImage) -> None:
        if found.sha256.hex() != image.sha256:
            raise _Conflict("an image with the same id has other bytes")
        explicit = {tag.name for tag in image.tags if tag.explicit}
        ids = await TagRepository(session).list_ids_by_name(list(explicit))
        stored = await RestoreRepository(session).list_explicit_tags(image.id, is_trashed=image.trashed is not None)
        differing = {
            "name": found.name != image.name,
            "visibility": found.visibility != image.visibility,
            "owner": found.uploaded_by != self._account(image.uploaded_by),
            "time of upload": found.created_at != image.created_at,
            "tags": ids.keys() != explicit or stored != set(ids.values()),
        }
        if any(differing.values()):
            names = ", ".join(name for name, differs in differing.items() if differs)
            raise _Conflict(f"the image was changed in the service: {names}")

    async def _check(self, image: ArchivedImage) -> None:
        """Read and decode an original without storing it. Raises ItemRefused and the errors of an upload."""
        is_decoded = image.size <= MAX_DRY_RUN_BYTES
        async with self._decoding:
            with self.reader.open_original(image) as content:
                hashing = HashingStream(_chunks(content), self.settings.max_upload_bytes)
                header = HeaderReader(self.settings.max_image_pixels)
                kept = [chunk async for chunk in feed_reader(hashing, header) if is_decoded]
            _require_same(image, hashing, header)
            if is_decoded:
                await self.backends.decoders.check(DecoderInput(image.content_type, image.size, kept))
        async with self.backends.database.read_session() as session:
            await self._require_tags(session, [tag.name for tag in image.tags if tag.name not in self.added_tags])

    async def _require_tags(self, session: AsyncSession, names: Collection[str]) -> None:
        if missing := await TagRepository(session).list_missing(list(names)):
            raise ItemRefused(f"the archive does not have its tags: {', '.join(missing)}")

    async def _store(self, image: ArchivedImage) -> None:
        database, object_store, _ = self.backends
        key = new_original_key()
        # Accounts may have more than their quota: it limits what they upload, not what an operator restores.
        reservation = Reservation(database, self.settings, None)
        try:
            with self.reader.open_original(image) as content:
                properties = await self._store_original(image, content, key, reservation)
            await self._insert(image, key, properties)
        except Unavailable:
            # The backend would not respond now either: the sweeper removes the object.
            raise
        except BaseException:
            await asyncio.shield(remove_orphans(database, object_store, reservation.keys))
            raise

    async def _store_original(
        self, image: ArchivedImage, content: IO[bytes], key: str, reservation: Reservation
    ) -> ImageProperties:
        """Store and decode an original. One that fits a part is decoded before it is stored."""
        object_store = self.backends.object_store
        hashing = HashingStream(_chunks(content), self.settings.max_upload_bytes)
        header = HeaderReader(self.settings.max_image_pixels)
        parts = split_parts(feed_reader(hashing, header))
        first: list[bytes] = await anext(parts, [])
        if length(first) < PART_BYTES:
            _require_same(image, hashing, header)
            async with self._decoding:
                file = DecoderInput(image.content_type, image.size, first)
                properties = await self.backends.decoders.check(file)
            await reservation.reserve(key, image.size)
            await object_store.put_whole(key, first, image.content_type)
            return properties
        await reservation.reserve(key, image.size)
        parts = prepend(first, parts)
        del first
        await object_store.put_parts(key, parts, image.content_type)
        _require_same(image, hashing, header)
        async with self._decoding:
            url = await object_store.presign_internal(key, timedelta(seconds=URL_SECONDS))
            return await self.backends.decoders.check(DecoderInput(image.content_type, image.size, url))

    async def _insert(self, image: ArchivedImage, key: str, properties: ImageProperties) -> None:
        """Insert the rows in one transaction. Raises _Conflict, ItemRefused, DatabaseBusy."""
        names = [tag.name for tag in image.tags]
        for seconds in _WAITS:
            await asyncio.sleep(seconds)
            async with self.backends.database.unit_of_work() as session:
                if await ImageTagRepository(session).lock_tags(names) is None:
                    continue
                with invalidates_only(session, LISTS, image_scope(image.id)):
                    await self._insert_locked(session, image, key, properties)
                return
        async with self.backends.database.read_session() as session:
            await self._require_tags(session, names)
        raise DatabaseBusy

    async def _insert_locked(
        self, session: AsyncSession, image: ArchivedImage, key: str, properties: ImageProperties
    ) -> None:
        ids = await TagRepository(session).list_ids_by_name([tag.name for tag in image.tags])
        tags = _tags_by_id(image.tags, ids)
        metadata = _archived_metadata(image) or properties.metadata
        new = NewImage(
            id=image.id,
            name=image.name,
            storage_key=key,
            uploaded_by=self._account(image.uploaded_by),
            content_type=image.content_type,
            size=image.size,
            width=properties.dimensions.width,
            height=properties.dimensions.height,
            taken_at=metadata.taken_at,
            taken_at_offset=metadata.taken_at_offset,
            camera=metadata.camera,
            sha256=bytes.fromhex(image.sha256),
            visibility=image.visibility,
            tag_ids=sorted(tags),
        )
        repository = RestoreRepository(session)
        if image.history is not None:
            # The archive has the events of these tags.
            await repository.record_history(is_on=False)
            events = [one.model_copy(update={"actor": self._account(one.actor)}) for one in image.history]
            await repository.add_events(image.id, events, self.last_event_id)
        if image.trashed is not None:
            trashing = image.trashed.model_copy(update={"trashed_by": self._account(image.trashed.trashed_by)})
            is_added = await repository.add_trashed_image(new, image.created_at, trashing)
        else:
            is_added = await repository.add_image(new, image.created_at)
        if not is_added:
            raise _Conflict("another image took the id or the name meanwhile")
        await SimilarityRepository(session).add_or_update(image.id, properties.perceptual_hash)
        await repository.add_tags_of_image(image.id, list(tags.values()), is_trashed=image.trashed is not None)
        if image.trashed is None:
            # The implications of the service decide on implied tags.
            await repository.record_history(is_on=True)
            await ImageTagRepository(session).recompute_implied([image.id])


def _archived_metadata(image: ArchivedImage) -> PhotoMetadata | None:
    """Return the metadata that clients saw; None for an archive of a version that did not have it."""
    if "taken_at" not in image.model_fields_set:
        return None
    return PhotoMetadata(image.taken_at, image.taken_at_offset, image.camera)


def _tags_by_id(tags: Collection[ArchivedImageTag], ids: Mapping[str, int]) -> dict[int, NewTagOfImage]:
    """Return the rows to insert. Two names can be one tag of the service: an explicit tag wins."""
    rows: dict[int, NewTagOfImage] = {}
    for tag in sorted(tags, key=lambda tag: tag.explicit):
        rows[ids[tag.name]] = NewTagOfImage(ids[tag.name], tag.explicit, tag.created_at)
    return rows


def _require_same(image: ArchivedImage, hashing: HashingStream, header: HeaderReader) -> None:
    """Raise ItemRefused unless the bytes are those of the sidecar."""
    if hashing.sha256.hex() != image.sha256:
        raise ItemRefused("the original has another digest")
    if header.finish().content_type != image.content_type:
        raise ItemRefused("the original has another type")


async def _chunks(content: IO[bytes]) -> AsyncIterator[bytes]:
    while chunk := await asyncio.to_thread(content.read, READ_BYTES):
        yield chunk
