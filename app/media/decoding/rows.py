"""Whether every row of a PNG or GIF is in its file (docs/decisions/0014).

Pillow leaves the pixels of missing rows unchanged. Therefore the end of the row that is decoded last is filled with a
pattern first. If the pattern is still there, a second decoding with another pattern distinguishes a missing row from a
picture that contains the pattern.
"""

import random
from collections.abc import Callable
from typing import Any

from PIL import Image, ImageFile

from app.media.decoding.errors import PixelsMissing

# As many pixels of the row are painted.
PAINTED = 256

Box = tuple[int, int, int, int]
Open = Callable[[], ImageFile.ImageFile]
# Decodes every frame of a picture.
Load = Callable[[ImageFile.ImageFile], None]


def require_every_row(open_image: Open, load: Load) -> None:
    """Decode a picture, twice where that is needed. Raises PixelsMissing."""
    unwritten = _unwritten_frames(open_image(), load, seed=1)
    if unwritten and unwritten & _unwritten_frames(open_image(), load, seed=2):
        raise PixelsMissing("rows are missing")


def _unwritten_frames(image: ImageFile.ImageFile, load: Load, seed: int) -> set[int]:
    """Return the numbers of the frames whose last row is not written by decoding them."""
    hooks: Any = image
    prepare, end = hooks.load_prepare, getattr(image, "load_end", None)
    unwritten: set[int] = set()
    painted: list[tuple[Box, bytes]] = []

    def load_prepare() -> None:
        box = _last_box(image.tile[0].extents or (0, 0, *image.size), is_interlaced=_is_interlaced(image))
        prepare()
        row = _pattern(image.im.mode, (box[2] - box[0], box[3] - box[1]), seed)
        image.im.paste(row.im, box)
        painted.append((box, row.tobytes()))

    def load_end() -> None:
        box, pattern = painted.pop()
        if image._new(image.im).crop(box).tobytes() == pattern:  # noqa: SLF001
            unwritten.add(image.tell())
        if end is not None:
            end()

    hooks.load_prepare, hooks.load_end = load_prepare, load_end
    try:
        load(image)
    finally:
        # They refer to the image: its pixels would stay until cycles are collected.
        del hooks.load_prepare, hooks.load_end
    return unwritten


def _is_interlaced(image: ImageFile.ImageFile) -> bool:
    args = image.tile[0].args
    return bool(image.info.get("interlace") or (isinstance(args, tuple) and args[1:2] == (1,)))


def _last_box(extents: Box, *, is_interlaced: bool) -> Box:
    """Return what is decoded last: the end of a row or, in an interlaced PNG of one row, a pixel of its last pass."""
    left, top, right, bottom = extents
    first = max(left, right - PAINTED)
    if not is_interlaced:
        return (first, bottom - 1, right, bottom)
    if bottom - top > 1:
        row = top + (bottom - top - 2) // 2 * 2 + 1
        return (first, row, right, row + 1)
    column = left + max(0, (right - left - 2) // 2 * 2 + 1)
    return (column, top, min(column + 1, right), bottom)


def _pattern(mode: str, size: tuple[int, int], seed: int) -> Image.Image:
    # A row has at most 4 bytes a pixel.
    data = random.Random(seed).randbytes(4 * size[0] * size[1])  # noqa: S311 - no secret
    return Image.frombytes(mode, size, data[: _row_bytes(mode, size[0]) * size[1]])


def _row_bytes(mode: str, width: int) -> int:
    return len(Image.new(mode, (width, 1)).tobytes())
