"""The base of the read-only streams that decoders read and seek."""

import io


class SeekableStream(io.RawIOBase):
    """A readable stream that keeps its position; subclasses read and seek."""

    def __init__(self) -> None:
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position
