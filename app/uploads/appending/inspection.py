"""Reads the bytes of an upload as they pass: their digests and the header of the image."""

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.core.errors import AppError
from app.media.image_header import HeaderReader, ImageHeader

if TYPE_CHECKING:
    from hashlib import _Hash

CHECKSUM_ALGORITHMS = ("sha1", "sha256")


@dataclass(slots=True)
class Inspection:
    """The SHA-256 and the header of the first `size` bytes of a file, as they are read."""

    reader: HeaderReader
    digest: "_Hash" = field(default_factory=hashlib.sha256)
    header: ImageHeader | None = None
    size: int = 0

    def feed(self, chunk: bytes) -> None:
        """Read the next bytes. Raises UnsupportedMediaType, InvalidImage, ImageTooLarge."""
        self.size += len(chunk)
        self.digest.update(chunk)
        if self.header is None:
            self.header = self.reader.feed(chunk)

    def finish(self) -> ImageHeader:
        """Return the header of a file that has ended. Raises like `feed`."""
        return self.header or self.reader.finish()


class Checksum:
    """A declared digest of the body, by `sha1` or `sha256`. `error` is raised for other bytes."""

    def __init__(self, algorithm: str, expected: bytes, error: type[AppError]) -> None:
        self._digest = hashlib.new(algorithm, usedforsecurity=False)
        self._expected = expected
        self.error = error

    def update(self, chunk: bytes) -> None:
        """Read the next bytes of the body."""
        self._digest.update(chunk)

    def is_right(self) -> bool:
        """Return whether the bytes have the declared digest."""
        return hmac.compare_digest(self._digest.digest(), self._expected)
