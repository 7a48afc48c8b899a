"""Reads an archive that may be damaged or hostile.

No path of the archive is followed as it is: a path has one of the known forms, and no step of it is a symbolic link.
Every file has a limit and a digest.
"""

import hashlib
import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from app.cli.archive.archive_format import (
    ACCOUNTS,
    DIGESTS,
    IMAGES,
    MANIFEST,
    OPERATIONS,
    SUFFIXES,
    TRASH,
    VOCABULARY,
    ArchivedImage,
    Manifest,
)

# A sidecar has the history of its image: about 300 bytes for each change of a tag.
MAX_SIDECAR_BYTES = 16 * 1024 * 1024
MAX_LINE_BYTES = 4 * 1024 * 1024
_MAX_MANIFEST_BYTES = 64 * 1024
_MAX_DIGEST_LINE_BYTES = 512
_UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_MEMBERS = (ACCOUNTS, VOCABULARY, OPERATIONS)
_SINGLE = re.compile(rf"([0-9a-f]{{64}})  ({'|'.join(map(re.escape, _MEMBERS))})\n")
_SUFFIX = "|".join(map(re.escape, (".json", *SUFFIXES.values())))
_OF_IMAGE = re.compile(
    rf"([0-9a-f]{{64}})  ((?:{IMAGES}|{TRASH})/\d{{4}}-\d\d-\d\dT\d\d/{_UUID})({_SUFFIX})\n", re.ASCII
)

Member = TypeVar("Member", bound=BaseModel)


class ArchiveUnusable(Exception):
    """The archive cannot be restored at all. The message names the remedy."""


class ItemRefused(Exception):
    """One item of the archive cannot be restored, for this reason."""


class ArchivedFile(NamedTuple):
    """The path of a file below the archive, and the SHA-256 that it must have."""

    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class ArchiveEntry:
    """The two files of an image."""

    original: ArchivedFile
    sidecar: ArchivedFile


class BrokenLine(NamedTuple):
    """A line that describes no item: its place, and the reason."""

    place: str
    reason: str


class ArchiveReader:
    """Reads the archive in a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._files: dict[str, str] = {}

    def open(self) -> Manifest:
        """Check the manifest and the list of digests. Raises ArchiveUnusable."""
        try:
            manifest = Manifest.model_validate_json(self._read(MANIFEST, _MAX_MANIFEST_BYTES))
            with self._open(DIGESTS) as digests:
                if hashlib.file_digest(digests, "sha256").hexdigest() != manifest.sha256sums:
                    raise ArchiveUnusable(f"{DIGESTS} was changed since the export.")
        except FileNotFoundError as error:
            raise ArchiveUnusable(f"{self._directory} has no complete archive. Run `export` again.") from error
        except ValidationError as error:
            raise ArchiveUnusable(f"{MANIFEST} has another format: {_summary(error)}.") from error
        except ItemRefused as error:
            raise ArchiveUnusable(f"{error}.") from error
        with self._open(DIGESTS) as digests:
            for _ in _MEMBERS:
                if found := _SINGLE.fullmatch(digests.readline(_MAX_DIGEST_LINE_BYTES).decode("latin-1")):
                    self._files[found[2]] = found[1]
        for name in _MEMBERS:
            if self._files.get(name) != self._digest(name):
                raise ArchiveUnusable(f"{name} was changed since the export.")
        return manifest

    def read_members(self, name: str, kind: type[Member]) -> Iterator[Member | BrokenLine]:
        """Yield the members of a file with a line for each, or why a line has none."""
        with self._open(name) as lines:
            number = 0
            while line := lines.readline(MAX_LINE_BYTES):
                number += 1
                try:
                    yield kind.model_validate_json(line)
                except ValidationError as error:
                    yield BrokenLine(f"{name}:{number}", _summary(error))

    def entries(self) -> Iterator[ArchiveEntry | BrokenLine]:
        """Yield the files of each image, in the order of the archive, or why a line has none."""
        with self._open(DIGESTS) as digests:
            original: ArchivedFile | None = None
            number = 0
            while line := digests.readline(_MAX_DIGEST_LINE_BYTES):
                number += 1
                text = line.decode("latin-1")
                found = _OF_IMAGE.fullmatch(text)
                if found is None:
                    if not _SINGLE.fullmatch(text):
                        yield BrokenLine(f"{DIGESTS}:{number}", "the path is not that of a file of an archive")
                    continue
                file = ArchivedFile(found[2] + found[3], found[1])
                if found[3] != ".json":
                    original = file
                elif original is None or original.path.rpartition(".")[0] != found[2]:
                    yield BrokenLine(file.path, "the archive does not list its original")
                else:
                    yield ArchiveEntry(original, file)

    def read_sidecar(self, entry: ArchiveEntry) -> ArchivedImage:
        """Return the sidecar of an image. Raises ItemRefused."""
        content = self._read(entry.sidecar.path, MAX_SIDECAR_BYTES)
        if hashlib.sha256(content).hexdigest() != entry.sidecar.sha256:
            raise ItemRefused("the sidecar has another digest")
        try:
            image = ArchivedImage.model_validate_json(content)
        except ValidationError as error:
            raise ItemRefused(f"the sidecar is invalid: {_summary(error)}") from error
        if (image.sidecar, image.original) != (entry.sidecar.path, entry.original.path):
            raise ItemRefused("the sidecar is that of another file")
        if image.sha256 != entry.original.sha256:
            raise ItemRefused("the sidecar and the list of digests differ")
        return image

    def size_of(self, entry: ArchiveEntry) -> int:
        """Return the size of the original for the display; 0 if it is missing."""
        try:
            return (self._directory / entry.original.path).lstat().st_size
        except OSError:
            return 0

    def open_original(self, image: ArchivedImage) -> BufferedReader:
        """Open the original. Raises ItemRefused if it is missing, no regular file, or of another size."""
        content = self._open_item(image.original)
        if os.fstat(content.fileno()).st_size != image.size:
            content.close()
            raise ItemRefused("the original has another size")
        return content

    def _digest(self, name: str) -> str | None:
        try:
            with self._open_item(name) as content:
                return hashlib.file_digest(content, "sha256").hexdigest()
        except ItemRefused:
            return None

    def _read(self, path: str, limit: int) -> bytes:
        """Return the content of a small file. Raises ItemRefused, FileNotFoundError."""
        with self._open(path) as content:
            found = content.read(limit + 1)
        if len(found) > limit:
            raise ItemRefused(f"{path} is larger than {limit} bytes")
        return found

    def _open_item(self, path: str) -> BufferedReader:
        try:
            return self._open(path)
        except FileNotFoundError as error:
            raise ItemRefused(f"{path} is missing") from error

    def _open(self, path: str) -> BufferedReader:
        """Open a regular file below the archive, following no symbolic link. Raises ItemRefused, FileNotFoundError."""
        *folders, name = path.split("/")
        folder = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for step in folders:
                inner = os.open(step, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
                os.close(folder)
                folder = inner
            # A pipe or a device would block or have effects: O_NONBLOCK, and the type is checked before a read.
            descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise ItemRefused(f"{path} is no regular file, or unreadable ({error.strerror})") from error
        finally:
            with suppress(OSError):
                os.close(folder)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise ItemRefused(f"{path} is no regular file")
        return os.fdopen(descriptor, "rb")


def _summary(error: ValidationError) -> str:
    """Return the place and the reason of the first error, without values of the archive."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(map(str, first["loc"]))
    return f"{place}: {first['msg']}" if place else first["msg"]
