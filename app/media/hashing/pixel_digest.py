"""A digest of the decoded pixels: equal for files of any format with the same picture."""

import hashlib

from app.media.decoding.colours import in_srgb, scalable
from app.media.decoding.exif import displayed_size, upright
from app.media.decoding.opening import OpenedPicture
from app.media.decoding.rendering import STRIP_PIXELS, without_uncovered

Box = tuple[int, int, int, int]


def digest_pixels(picture: OpenedPicture) -> bytes:
    """Return the SHA-256 of the size and of the upright RGBA pixels of the first frame, in sRGB, row by row.

    The colours of transparent pixels do not count. Strips of the picture are converted one by one: all of its pixels
    as RGBA would double the memory.
    """
    image = picture.image
    image.load()
    width, height = displayed_size(image.size, picture.orientation)
    digest = hashlib.sha256(f"{width} x {height}\n".encode())
    rows = max(1, STRIP_PIXELS // width)
    for top in range(0, height, rows):
        box = stored_box(image.size, picture.orientation, top, min(top + rows, height))
        strip = image.crop(box)
        if picture.covered is not None:
            strip = without_uncovered(strip, picture.covered, top)
        shown = in_srgb(scalable(strip, picture.colour_key), picture.profile, is_grey=picture.is_grey)
        digest.update(upright(shown.convert("RGBA"), picture.orientation).tobytes())
    return digest.digest()


def stored_box(size: tuple[int, int], orientation: int, top: int, bottom: int) -> Box:
    """Return the part of a stored picture that becomes these rows of the upright one."""
    width, height = size
    if orientation in (7, 8):
        return (width - bottom, 0, width - top, height)
    if orientation in (5, 6):
        return (top, 0, bottom, height)
    if orientation in (3, 4):
        return (0, height - bottom, width, height - top)
    return (0, top, width, bottom)
