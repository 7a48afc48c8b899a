"""Image files made on the spot."""

import io
import itertools

from PIL import Image

_numbers = itertools.count(1)


def image_bytes(kind: str = "PNG", size: tuple[int, int] = (8, 6), **options: object) -> bytes:
    """Return a file of this format (Pillow's name), different at each call."""
    number = next(_numbers)
    picture = Image.new("RGB", size, (number % 256, number // 256 % 256, number // 65536 % 256))
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def png(size: tuple[int, int] = (8, 6)) -> bytes:
    """Return a PNG, different at each call."""
    return image_bytes("PNG", size)
