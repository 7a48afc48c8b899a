"""The orientation of an EXIF block, read alone: nothing else in the block can make a picture unreadable.

Layout: TIFF 6.0, section 2; the tag: EXIF 2.32, table 4. Browsers read it from JPEG and PNG files. They take that of
AVIF files from the `irot` and `imir` properties, and show WebP files as they are stored.
"""

import struct

from PIL import Image

ORIENTATION = 0x0112
_SHORT = 3
_ENTRY_BYTES = 12
_PREFIX = b"Exif\0\0"
_BYTE_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_orientation(block: bytes) -> int:
    """Return the orientation (1-8) of an EXIF block, with or without its prefix; 1 if the block has none."""
    tiff = block.removeprefix(_PREFIX)
    order = _BYTE_ORDERS.get(tiff[:4])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, start)
        for offset in range(start + 2, start + 2 + count * _ENTRY_BYTES, _ENTRY_BYTES):
            tag, kind, _count, value = struct.unpack_from(f"{order}HHIH", tiff, offset)
            if tag == ORIENTATION:
                return value if kind == _SHORT and 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1


def displayed_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Return width and height of a picture once its orientation is applied."""
    width, height = size
    return (height, width) if orientation >= 5 else (width, height)


def upright(picture: Image.Image, orientation: int) -> Image.Image:
    """Return the picture with its orientation applied."""
    method = _TRANSPOSITIONS.get(orientation)
    return picture if method is None else picture.transpose(method)
