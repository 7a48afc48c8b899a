"""The camera and the time in an EXIF block (TIFF 6.0, section 2; EXIF 2.32, tables 4, 6 and 7).

Only two directories are read, the first and the one of EXIF, so a file cannot lead the reader in circles. GPS data is
in a third one.
"""

import struct
from typing import NamedTuple

# Longer texts are no names.
MAX_TEXT_BYTES = 1000
_MAX_ENTRIES = 1000
_HEADER_BYTES, _ENTRY_BYTES = 8, 12
_BYTE_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_ASCII, _LONG, _IFD, _UNDEFINED, _UTF8 = 2, 4, 13, 7, 129
_TEXTS = (_ASCII, _UNDEFINED, _UTF8)
_MAKE, _MODEL, _EXIF_DIRECTORY = 0x010F, 0x0110, 0x8769
_TAKEN_AT, _OFFSET, _FRACTION = 0x9003, 0x9011, 0x9291


class ExifFields(NamedTuple):
    """The texts of a block as they are stored: the camera; DateTimeOriginal, its fraction and its offset from UTC."""

    make: str | None = None
    model: str | None = None
    taken_at: str | None = None
    fraction: str | None = None
    offset: str | None = None


def read_exif(block: bytes) -> ExifFields:
    """Return the fields of a block that starts with its TIFF header. Damaged ones are None."""
    order = _BYTE_ORDERS.get(block[:4])
    if order is None:
        return ExifFields()
    tiff = _Tiff(block, order)
    first = tiff.read_directory(tiff.read_long(4))
    pointer = first.get(_EXIF_DIRECTORY)
    second = tiff.read_directory(tiff.read_long(pointer + 8)) if pointer is not None else {}
    return ExifFields(
        tiff.read_text(first.get(_MAKE)),
        tiff.read_text(first.get(_MODEL)),
        tiff.read_text(second.get(_TAKEN_AT)),
        tiff.read_text(second.get(_FRACTION)),
        tiff.read_text(second.get(_OFFSET)),
    )


class _Tiff:
    def __init__(self, block: bytes, order: str) -> None:
        self._block = block
        self._order = order

    def read_long(self, offset: int) -> int:
        """Return an unsigned integer; 0, which is no valid offset, behind the end of the block."""
        try:
            return int(struct.unpack_from(f"{self._order}I", self._block, offset)[0])
        except struct.error:
            return 0

    def read_directory(self, start: int) -> dict[int, int]:
        """Return the offset of the entry of each tag."""
        entries: dict[int, int] = {}
        if start < _HEADER_BYTES:
            return entries
        try:
            (count,) = struct.unpack_from(f"{self._order}H", self._block, start)
            for number in range(min(count, _MAX_ENTRIES)):
                offset = start + 2 + number * _ENTRY_BYTES
                (tag,) = struct.unpack_from(f"{self._order}H", self._block, offset)
                entries.setdefault(tag, offset)
        except struct.error:
            pass
        return entries

    def read_text(self, entry: int | None) -> str | None:
        """Return the text of an entry up to its first NUL."""
        if entry is None:
            return None
        try:
            kind, size = struct.unpack_from(f"{self._order}HI", self._block, entry + 2)
        except struct.error:
            return None
        if kind not in _TEXTS:
            return None
        start = entry + 8 if size <= 4 else self.read_long(entry + 8)
        data = self._block[start : start + min(size, MAX_TEXT_BYTES + 1)].partition(b"\0")[0]
        return decode_text(data) if 0 < len(data) <= MAX_TEXT_BYTES else None


def decode_text(data: bytes) -> str:
    """Return a text in UTF-8, or else in Latin-1, in which all bytes are valid."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")
