"""Boxes of HEIF files (AVIF and HEIC), and the items that they describe.

Layouts: ISO/IEC 14496-12, 4.2 and 8.11. The number of boxes, items and extents is limited, so the work is linear.
"""

from collections.abc import Iterator
from typing import NamedTuple

# Also of items and extents. libheif reads at most 1,000 items.
MAX_BOXES = 10_000


class DamagedBoxes(ValueError):
    """The boxes contradict themselves, or there are too many."""


class Box(NamedTuple):
    """A box and the offsets of its content."""

    kind: bytes
    start: int
    end: int


class Extent(NamedTuple):
    """A part of an item's data: its offset in the file, or in the `idat` box, and its length in bytes."""

    is_in_idat: bool
    offset: int
    length: int


class _Fields:
    """Reads the unsigned integers of a box one by one."""

    def __init__(self, data: bytes, box: Box) -> None:
        self._data = data
        self.at = box.start
        self._end = box.end
        self.version = self.take(1)
        self.take(3)

    def take(self, size: int) -> int:
        self.at += size
        if self.at > self._end:
            raise DamagedBoxes("A box is too short")
        return int.from_bytes(self._data[self.at - size : self.at], "big")


def boxes(data: bytes, start: int, end: int) -> Iterator[Box]:
    """Yield the boxes in a part of the data. Raises DamagedBoxes."""
    for _ in range(MAX_BOXES):
        if start + 8 > end:
            return
        size, kind = int.from_bytes(data[start : start + 4], "big"), data[start + 4 : start + 8]
        head = 8
        if size == 1:
            size, head = int.from_bytes(data[start + 8 : start + 16], "big"), 16
        elif size == 0:
            size = end - start
        if size < head or start + size > end:
            raise DamagedBoxes("The file has a box with a wrong size")
        yield Box(kind, start + head, start + size)
        start += size
    raise DamagedBoxes(f"The file has more than {MAX_BOXES} boxes")


def find_box(data: bytes, wanted: bytes, start: int, end: int) -> Box:
    """Return the first box of a kind. Raises DamagedBoxes."""
    for box in boxes(data, start, end):
        if box.kind == wanted:
            return box
    raise DamagedBoxes(f"The file has no {wanted.decode()} box")


def item_types(data: bytes, meta: Box) -> dict[int, bytes]:
    """Return the type of each item of a `meta` box. Raises DamagedBoxes."""
    information = find_box(data, b"iinf", meta.start + 4, meta.end)
    fields = _Fields(data, information)
    fields.take(2 if fields.version == 0 else 4)
    types = {}
    for box in boxes(data, fields.at, information.end):
        entry = _Fields(data, box)
        item = entry.take(2 if entry.version < 3 else 4)
        entry.take(2)
        types[item] = entry.take(4).to_bytes(4, "big")
    return types


def item_extents(data: bytes, meta: Box) -> dict[int, list[Extent]]:
    """Return where the data of each item of a `meta` box is. Raises DamagedBoxes."""
    fields = _Fields(data, find_box(data, b"iloc", meta.start + 4, meta.end))
    wide, has_method = fields.version >= 2, fields.version >= 1
    sizes = fields.take(2)
    offset_size, length_size, base_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
    index_size = sizes & 15 if has_method else 0
    extents: dict[int, list[Extent]] = {}
    total = 0
    items = fields.take(4 if wide else 2)
    if items > MAX_BOXES:
        raise DamagedBoxes(f"The file states more than {MAX_BOXES} items")
    for _ in range(items):
        item = fields.take(4 if wide else 2)
        is_in_idat = has_method and fields.take(2) & 15 == 1
        fields.take(2)
        base = fields.take(base_size)
        extents[item] = []
        number = fields.take(2)
        total += number
        if total > MAX_BOXES:
            raise DamagedBoxes(f"The file states more than {MAX_BOXES} extents")
        for _ in range(number):
            fields.take(index_size)
            extents[item].append(Extent(is_in_idat, base + fields.take(offset_size), fields.take(length_size)))
    return extents
