"""The second step of an export: copies the originals of a snapshot, and writes the digests and the manifest."""

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import groupby, islice
from pathlib import Path
from typing import IO

from app.cli.archive.archive_files import (
    DigestMismatch,
    atomic_file,
    copy_if_changed,
    file_sha256,
    has_size,
    make_directory,
    prune,
    sync_directory,
    write_if_changed,
    write_stream,
)
from app.cli.archive.archive_format import (
    ACCOUNTS,
    DIGESTS,
    IMAGES,
    MANIFEST,
    OPERATIONS,
    TRASH,
    VOCABULARY,
    Manifest,
    Snapshot,
    to_json,
)
from app.cli.archive.exporting.export_snapshot import SNAPSHOT, SnapshotImage, read_images, remove_snapshot
from app.db.database import Database
from app.images.repository import ImageRepository
from app.images.trash.repository import TrashRepository
from app.storage.object_store import ObjectStore
from app.storage.timeouts import ObjectMissing

BATCH = 64
_TREES = (IMAGES, TRASH)


class ExportOutcome(StrEnum):
    """The outcome for one image of the snapshot."""

    COPIED = "copied"
    KEPT = "kept"
    DELETED = "deleted"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ExportResult:
    """The outcome for one image, and the reason if it failed."""

    image: SnapshotImage
    outcome: ExportOutcome
    reason: str = ""

    @property
    def is_archived(self) -> bool:
        """Whether the archive has the image."""
        return self.outcome in (ExportOutcome.COPIED, ExportOutcome.KEPT)


@dataclass(slots=True)
class ExportRun:
    """Writes the files of one archive. Files that an earlier run completed stay as they are."""

    directory: Path
    database: Database
    object_store: ObjectStore
    jobs: int
    record: Callable[[ExportResult], None]
    measure: Callable[[int], None]
    _slots: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self._slots = asyncio.Semaphore(self.jobs)

    async def run(self, snapshot: Snapshot) -> Manifest:
        """Complete the archive. Raises StorageUnavailable, DatabaseUnavailable, OSError; then run it again."""
        for tree in _TREES:
            make_directory(self.directory / tree)
        folders: set[str] = set()
        images = 0
        with atomic_file(self.directory / DIGESTS) as digests:
            for name in (ACCOUNTS, VOCABULARY, OPERATIONS):
                sha256 = copy_if_changed(self.directory / SNAPSHOT / name, self.directory / name)
                _write_digest(digests, sha256, name)
            # By time of upload, and so folder by folder.
            for folder, members in groupby(read_images(self.directory), lambda image: Path(image.original).parent):
                folders.add(str(folder))
                images += await self._export_folder(self.directory / folder, members, digests)
        for stale in set(_folders(self.directory)) - folders:
            prune(self.directory / stale, set())
        return self._complete(snapshot, images)

    async def _export_folder(self, folder: Path, images: Iterable[SnapshotImage], digests: IO[bytes]) -> int:
        """Return the number of archived images."""
        make_directory(folder)
        kept: set[str] = set()
        while batch := list(islice(iter(images), BATCH)):
            for result in await asyncio.gather(*map(self._export, batch)):
                self.record(result)
                if result.is_archived:
                    image = result.image
                    _write_digest(digests, image.sha256, image.original)
                    _write_digest(digests, hashlib.sha256(image.content.encode()).hexdigest(), image.sidecar)
                    kept |= {Path(image.original).name, Path(image.sidecar).name}
        prune(folder, kept)
        if kept:
            sync_directory(folder)
        return len(kept) // 2

    async def _export(self, image: SnapshotImage) -> ExportResult:
        async with self._slots:
            outcome = ExportOutcome.KEPT
            if has_size(self.directory / image.original, image.size):
                self.measure(image.size)
            else:
                try:
                    await self._copy(image)
                except ObjectMissing:
                    return await self._explain(image)
                except DigestMismatch:
                    return ExportResult(image, ExportOutcome.FAILED, "the object has other bytes than the row says")
                outcome = ExportOutcome.COPIED
            await asyncio.to_thread(write_if_changed, self.directory / image.sidecar, image.content.encode())
            return ExportResult(image, outcome)

    async def _copy(self, image: SnapshotImage) -> None:
        async with self.object_store.open(image.storage_key) as opened:
            await write_stream(self.directory / image.original, opened.chunks, image.sha256, self.measure)

    async def _explain(self, image: SnapshotImage) -> ExportResult:
        """Return why an object is missing: an image may be deleted after the snapshot."""
        async with self.database.read_session() as session:
            exists = await ImageRepository(session).find(image.id) or await TrashRepository(session).find(image.id)
        return ExportResult(
            image, ExportOutcome.FAILED if exists else ExportOutcome.DELETED, "the object is missing" if exists else ""
        )

    def _complete(self, snapshot: Snapshot, images: int) -> Manifest:
        left_out = snapshot.images - images
        digest = file_sha256(self.directory / DIGESTS)
        manifest = Manifest(snapshot=snapshot, images=images, left_out=left_out, sha256sums=digest)
        for tree in (*_TREES, "."):
            sync_directory(self.directory / tree)
        write_if_changed(self.directory / MANIFEST, to_json(manifest))
        remove_snapshot(self.directory)
        sync_directory(self.directory)
        return manifest


def _write_digest(digests: IO[bytes], sha256: str, path: str) -> None:
    """Write a line that `sha256sum --check` reads."""
    digests.write(f"{sha256}  {path}\n".encode())


def _folders(directory: Path) -> Iterator[str]:
    for tree in _TREES:
        yield from (f"{tree}/{path.name}" for path in (directory / tree).iterdir())
