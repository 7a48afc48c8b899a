"""Finds the images of a folder, and reports why other files are skipped."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from app.cli.importing.keyword_tags import add_keywords
from app.core.errors import AppError
from app.core.text.tag_names import tag_from_text
from app.media.errors import InvalidImage
from app.media.image_header import HeaderReader

_CHUNK_BYTES = 64 * 1024
# The server checks the number of pixels.
_MANY_PIXELS = 1 << 62
_IMAGE_SUFFIXES = frozenset((".jpg", ".jpeg", ".jpe", ".png", ".webp", ".gif", ".avif", ".heic", ".heif", ".hif"))
# Folders of NAS systems and archivers: thumbnails, recycle bins, resource forks.
_SYSTEM_FOLDERS = frozenset(("@eadir", "@recycle", "#recycle", "#snapshot", "$recycle.bin", "__macosx", "lost+found"))
_TYPE_NAME_LENGTH = 12


class Outcome(StrEnum):
    """The outcome for one file."""

    UPLOADED = "uploaded"
    STORED = "stored"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Candidate:
    """An image to be stored: its path, its size in bytes, its tags, and keywords that are no tags, with the reasons."""

    path: Path
    size: int
    tags: tuple[str, ...]
    ignored_keywords: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome for one file, the reason if it was not stored, and the path of its image."""

    path: Path
    outcome: Outcome
    reason: str = ""
    image: str | None = None


def scan(directory: Path, tags: Sequence[str], *, with_keywords: bool = False) -> Iterator[Candidate | Result]:
    """Yield a candidate or a result for each file below the folder, in a stable order.

    The names of the folders above a file become tags, after `tags`, and on demand the keywords in the file.
    """
    for path, error in _walk(directory):
        if error is not None:
            yield Result(path, Outcome.FAILED, _reason(error))
        elif _is_hidden(path.relative_to(directory)):
            yield Result(path, Outcome.SKIPPED, "hidden or system file")
        elif path.is_symlink():
            yield Result(path, Outcome.SKIPPED, "symbolic link")
        else:
            folders = path.relative_to(directory).parts[:-1]
            names = dict.fromkeys([*tags, *(tag for step in folders if (tag := tag_from_text(step)))])
            yield _inspect(path, tuple(names), with_keywords=with_keywords)


def displayed(path: Path) -> str:
    """Return the path as valid UTF-8."""
    return os.fsencode(path).decode("utf-8", "replace")


def _walk(directory: Path) -> Iterator[tuple[Path, OSError | None]]:
    errors: list[OSError] = []
    for folder, folders, names in os.walk(directory, onerror=errors.append):
        folders.sort()
        yield from ((Path(error.filename), error) for error in errors)
        errors.clear()
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        yield from ((Path(folder) / name, None) for name in sorted([*names, *links]))
    yield from ((Path(error.filename), error) for error in errors)


def _is_hidden(path: Path) -> bool:
    return any(step.startswith(".") or step.casefold() in _SYSTEM_FOLDERS for step in path.parts)


def _inspect(path: Path, tags: tuple[str, ...], *, with_keywords: bool) -> Candidate | Result:
    try:
        if not path.is_file():
            return Result(path, Outcome.SKIPPED, "not a regular file")
        os.fsencode(path.name).decode()
        _read_header(path)
        tags, ignored = add_keywords(path, tags) if with_keywords else (tags, ())
        return Candidate(path, path.stat().st_size, tags, ignored)
    except UnicodeDecodeError:
        return Result(path, Outcome.FAILED, "the file name is not valid UTF-8; rename the file")
    except OSError as error:
        return Result(path, Outcome.FAILED, _reason(error))
    except AppError as error:
        if isinstance(error, InvalidImage) or path.suffix.lower() in _IMAGE_SUFFIXES:
            return Result(path, Outcome.FAILED, f"damaged image: {error.detail}")
        kind = path.suffix.lower()[:_TYPE_NAME_LENGTH] or "no extension"
        return Result(path, Outcome.SKIPPED, f"unsupported type ({kind})")


def _read_header(path: Path) -> None:
    """Raise AppError if the server would refuse the header, and OSError if the file cannot be read."""
    reader = HeaderReader(_MANY_PIXELS)
    with path.open("rb") as content:
        while chunk := content.read(_CHUNK_BYTES):
            if reader.feed(chunk):
                return
    reader.finish()


def _reason(error: OSError) -> str:
    return f"unreadable: {error.strerror or type(error).__name__}"
