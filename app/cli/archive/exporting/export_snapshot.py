"""The first step of an export: reads everything but the bytes, as of one moment, into files.

One transaction reads pages of bounded cost and waits for nothing but the local disk. A transaction over the transfer of
the bytes would keep PostgreSQL from removing old row versions for hours, and would not survive a kill.
"""

import shutil
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from app.authz.visibility import VisibilityScope
from app.cli.archive.archive_files import atomic_file, sync_directory, write_if_changed
from app.cli.archive.archive_format import (
    ACCOUNTS,
    MANIFEST,
    OPERATIONS,
    VOCABULARY,
    ArchivedAccount,
    ArchivedEvent,
    ArchivedImage,
    ArchivedImageTag,
    ArchivedName,
    ArchivedTag,
    ArchivedTrashing,
    Snapshot,
    to_json,
    to_line,
)
from app.cli.archive.exporting.export_repository import ExportRepository, ImageRow, NameOfTag, TagOfImage
from app.db.database import Database
from app.db.keyset import Position
from app.models import User
from app.models.image import Visibility
from app.models.tag import NO_OWNER
from app.search.executor import SearchEngine
from app.search.language.parser import parse
from app.search.planning.predicates import QueryPredicates

SNAPSHOT = ".snapshot"
UNFINISHED = ".snapshot.new"
_SUMMARY = "snapshot.json"
_IMAGES = "images.jsonl"
PAGE = 1000


class SnapshotImage(BaseModel):
    """An image to export: the key of its original, the paths of both files, and the content of the sidecar."""

    id: uuid.UUID
    storage_key: str
    size: int
    sha256: str
    original: str
    sidecar: str
    content: str


def load_snapshot(directory: Path) -> Snapshot | None:
    """Return the snapshot of an interrupted export; None if there is none."""
    try:
        return Snapshot.model_validate_json((directory / SNAPSHOT / _SUMMARY).read_bytes())
    except FileNotFoundError:
        return None


def read_images(directory: Path) -> Iterator[SnapshotImage]:
    """Yield the images of the snapshot, by time of upload."""
    with (directory / SNAPSHOT / _IMAGES).open() as lines:
        yield from map(SnapshotImage.model_validate_json, lines)


async def take_snapshot(database: Database, directory: Path, query: str | None) -> Snapshot:
    """Write the files of a new snapshot. Raises InvalidQuery, QueryTooBroad, DatabaseUnavailable, OSError."""
    folder = directory / UNFINISHED
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    async with database.snapshot_session() as session:
        snapshot = await _SnapshotWriter(session, folder, query).write()
    write_if_changed(folder / _SUMMARY, to_json(snapshot))
    # From here on, the files of an earlier archive are replaced.
    (directory / MANIFEST).unlink(missing_ok=True)
    folder.replace(directory / SNAPSHOT)
    sync_directory(directory)
    return snapshot


def remove_snapshot(directory: Path) -> None:
    """Delete the files of the snapshot: the archive is complete."""
    shutil.rmtree(directory / SNAPSHOT)


@dataclass(slots=True)
class _SnapshotWriter:
    session: AsyncSession
    folder: Path
    query: str | None
    # The tags and the owners of the images that match the query.
    tags: set[int] = field(default_factory=set)
    owners: set[uuid.UUID] = field(default_factory=set)

    @property
    def repository(self) -> ExportRepository:
        return ExportRepository(self.session)

    async def write(self) -> Snapshot:
        taken_at = await self.repository.now()
        images, trashed, size = await self._write_images()
        tags = await self._write_vocabulary()
        accounts = await self._write_accounts()
        operations = await self._write_operations()
        return Snapshot(
            taken_at=taken_at,
            query=self.query,
            accounts=accounts,
            tags=tags,
            images=images + trashed,
            trashed=trashed,
            operations=operations,
            last_event_id=await self.repository.find_last_event_id(),
            bytes=size,
        )

    async def _write_images(self) -> tuple[int, int, int]:
        """Return the number of images, of those in the trash, and of the bytes of both."""
        images = trashed = size = 0
        with atomic_file(self.folder / _IMAGES) as out:
            async for image in self._images():
                out.write(to_line(image))
                images, size = images + 1, size + image.size
            if self.query is None:
                async for image in self._trashed_images():
                    out.write(to_line(image))
                    trashed, size = trashed + 1, size + image.size
        return images, trashed, size

    async def _images(self) -> AsyncIterator[SnapshotImage]:
        predicates = await self._predicates()
        after: Position | None = None
        while True:
            end = await self.repository.find_end(after, PAGE)
            rows = await self.repository.list_images(after, end, predicates)
            tags = await self.repository.list_tags_of([row.id for row in rows])
            events = await self.repository.list_events_of([row.id for row in rows])
            for row in rows:
                self.tags.update(tag.id for tag in tags[row.id])
                self.owners |= {row.uploaded_by} if row.uploaded_by else set()
                yield _snapshot_image(row, tags[row.id], events[row.id])
            if end is None:
                return
            after = end

    async def _trashed_images(self) -> AsyncIterator[SnapshotImage]:
        after: Position | None = None
        while page := await self.repository.list_trashed(after, PAGE):
            after = (page[-1].trashed_at, page[-1].row.id)
            tags = await self.repository.list_trashed_tags_of([one.row.id for one in page])
            events = await self.repository.list_events_of([one.row.id for one in page])
            for row, trashed_at, trashed_by, batch in page:
                trashing = ArchivedTrashing.model_construct(trashed_at=trashed_at, trashed_by=trashed_by, batch=batch)
                yield _snapshot_image(row, tags[row.id], events[row.id], trashing)

    async def _predicates(self) -> QueryPredicates:
        everything = VisibilityScope(sees_all=True)
        return (await SearchEngine().prepare(self.session, parse(self.query or ""), everything)).predicates

    async def _write_vocabulary(self) -> int:
        """Return the number of tags: of all, or with a query of those that its images have."""
        count, after = 0, ""
        with atomic_file(self.folder / VOCABULARY) as out:
            while page := await self.repository.list_tags(after, PAGE):
                after = page[-1].name
                tags = {tag.id: tag for tag in page if self.query is None or tag.id in self.tags}
                aliases = await self.repository.list_aliases(list(tags))
                implied = await self.repository.list_implied(list(tags))
                owners = await self.repository.list_private_owners(list(tags))
                for key, tag in tags.items():
                    archived = ArchivedTag.model_construct(
                        name=tag.name,
                        created_at=tag.created_at,
                        listed=tag.is_listed,
                        aliases=_names(aliases[key]),
                        implies=_names(implied[key]),
                        private_to=[owner for owner in owners[key] if self._has_account(owner)],
                    )
                    out.write(to_line(archived))
                count += len(tags)
        return count

    async def _write_accounts(self) -> int:
        """Return the number of accounts: of all, or with a query of the owners of its images."""
        count = 0
        after: Position | None = None
        with atomic_file(self.folder / ACCOUNTS) as out:
            while page := await self.repository.list_accounts(after, PAGE):
                after = (page[-1].created_at, page[-1].id)
                for user in page:
                    if self._has_account(user.id):
                        out.write(to_line(_archived_account(user)))
                        count += 1
        return count

    async def _write_operations(self) -> int:
        """Return the number of merges, renames and deletions of tags. An archive of a query has none."""
        count = 0
        after: Position | None = None
        with atomic_file(self.folder / OPERATIONS) as out:
            while self.query is None and (page := await self.repository.list_operations(after, PAGE)):
                after = (page[-1].created_at, page[-1].id)
                for operation in page:
                    out.write(to_line(operation))
                count += len(page)
        return count

    def _has_account(self, owner: uuid.UUID) -> bool:
        return self.query is None or owner in self.owners or owner == NO_OWNER


def _snapshot_image(
    row: ImageRow, tags: list[TagOfImage], events: list[ArchivedEvent], trashing: ArchivedTrashing | None = None
) -> SnapshotImage:
    image = ArchivedImage.model_construct(
        id=row.id,
        name=row.name,
        content_type=row.content_type,
        size=row.size,
        width=row.width,
        height=row.height,
        taken_at=row.taken_at,
        taken_at_offset=row.taken_at_offset,
        camera=row.camera,
        sha256=row.sha256.hex(),
        visibility=Visibility(row.visibility),
        uploaded_by=row.uploaded_by,
        created_at=row.created_at,
        tags=[
            ArchivedImageTag.model_construct(name=tag.name, explicit=tag.is_explicit, created_at=tag.created_at)
            for tag in tags
        ],
        trashed=trashing,
        history=events,
    )
    return SnapshotImage(
        id=image.id,
        storage_key=row.storage_key,
        size=image.size,
        sha256=image.sha256,
        original=image.original,
        sidecar=image.sidecar,
        content=to_json(image).decode(),
    )


def _names(found: list[NameOfTag]) -> list[ArchivedName]:
    return [ArchivedName.model_construct(name=one.name, created_at=one.created_at) for one in found]


def _archived_account(user: User) -> ArchivedAccount:
    return ArchivedAccount.model_construct(
        id=user.id,
        email=user.email,
        email_verified=user.email_verified,
        created_at=user.created_at,
        is_admin=user.is_admin,
        disabled=user.disabled,
        quota_bytes=user.quota_bytes,
    )
