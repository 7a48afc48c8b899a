"""Writes the files of an archive. Each appears complete or not at all."""

import asyncio
import fcntl
import hashlib
import os
import shutil
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

# The suffix of a file that is not complete yet.
PARTIAL = ".part"
_READABLE_BY_OWNER = 0o600


@contextmanager
def locked_directory(path: Path) -> Iterator[None]:
    """Create the directory, readable by its owner only, and lock it. Raises OSError, also if it is locked."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """Write a file under another name, and rename it when its bytes are on disk."""
    partial = path.with_name(path.name + PARTIAL)
    with _create_private(partial) as out:
        yield out
        _sync(out)
    partial.replace(path)


def write_if_changed(path: Path, content: bytes) -> None:
    """Write a small file unless it has this content."""
    with suppress(FileNotFoundError):
        if path.stat().st_size == len(content) and path.read_bytes() == content:
            return
    with atomic_file(path) as out:
        out.write(content)


class DigestMismatch(Exception):
    """The bytes have another SHA-256 than expected."""


async def write_stream(path: Path, chunks: AsyncIterator[bytes], sha256: str, measure: Callable[[int], None]) -> None:
    """Write a file from a stream; `measure` receives the number of new bytes.

    Raises DigestMismatch, and the errors of the stream; then there is no file.
    """
    partial = path.with_name(path.name + PARTIAL)
    try:
        with _create_private(partial) as out:
            await _write_checked(out, chunks, sha256, measure)
            # Off the event loop: other files continue meanwhile.
            await asyncio.to_thread(_sync, out)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    partial.replace(path)


async def _write_checked(
    out: IO[bytes], chunks: AsyncIterator[bytes], sha256: str, measure: Callable[[int], None]
) -> None:
    digest = hashlib.sha256()
    async for chunk in chunks:
        digest.update(chunk)
        out.write(chunk)
        measure(len(chunk))
    if digest.hexdigest() != sha256:
        raise DigestMismatch


def copy_if_changed(source: Path, target: Path) -> str:
    """Copy a file unless the target has the same bytes. Return their SHA-256."""
    digest = file_sha256(source)
    if not target.exists() or file_sha256(target) != digest:
        with source.open("rb") as content, atomic_file(target) as out:
            shutil.copyfileobj(content, out)
    return digest


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, as hexadecimal digits."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def has_size(path: Path, size: int) -> bool:
    """Return whether there is a regular file of this size. A file under its final name is complete."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size == size


def sync_directory(path: Path) -> None:
    """Have the names in a directory on disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def prune(path: Path, kept: set[str]) -> None:
    """Delete all files of a directory but these; without any, the directory too."""
    if not kept:
        shutil.rmtree(path)
        return
    for entry in os.scandir(path):
        if entry.name not in kept:
            Path(entry.path).unlink()


def make_directory(path: Path) -> None:
    """Create a directory that only its owner can read, unless it exists."""
    path.mkdir(mode=0o700, exist_ok=True)


def _create_private(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, _READABLE_BY_OWNER), "wb")


def _sync(out: IO[bytes]) -> None:
    out.flush()
    os.fsync(out.fileno())
