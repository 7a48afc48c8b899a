"""Byte ranges (RFC 9110, section 14)."""

import re
from dataclasses import dataclass

from app.core.errors import RangeNotSatisfiable

_SINGLE = re.compile(r"bytes=\s*(\d{0,19})\s*-\s*(\d{0,19})\s*", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class ByteRange:
    """A range of `length` bytes from `start`, in a content of `total` bytes."""

    start: int
    length: int
    total: int

    @property
    def content_range(self) -> str:
        """The value of the `Content-Range` header."""
        return f"bytes {self.start}-{self.start + self.length - 1}/{self.total}"


def parse_range(header: str | None, total: int) -> ByteRange | None:
    """Return the requested range; None if the whole content is to be sent. Raises RangeNotSatisfiable.

    Without a header, and for another unit, an invalid range or several ranges, the whole content is sent: a server may
    always ignore the header.
    """
    match = _SINGLE.fullmatch(header.strip()) if header else None
    if match is None or match.group(1) == match.group(2) == "":
        return None
    first, last = match.groups()
    if not first:
        start, end = max(0, total - int(last)), total - 1
    else:
        start, end = int(first), min(int(last), total - 1) if last else total - 1
        if last and int(last) < start:
            return None
    if start >= total or start > end:
        raise RangeNotSatisfiable(f"The content has {total} bytes", total=total)
    return ByteRange(start, end - start + 1, total)
