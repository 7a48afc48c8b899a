"""Large image files, quickly made."""

import io
import os

from PIL import Image


def noise_png(size: int) -> bytes:
    """Return a PNG of a little more than `size` bytes."""
    return _noise(size, 3, "PNG", compress_level=0)


def noise_jpeg(size: int) -> bytes:
    """Return a JPEG of a little more than `size` bytes."""
    return _noise(size, 1.2, "JPEG", quality=95)


def _noise(size: int, bytes_per_pixel: float, kind: str, **options: object) -> bytes:
    side = int((size / bytes_per_pixel) ** 0.5) + 2
    buffer = io.BytesIO()
    Image.frombytes("RGB", (side, side), os.urandom(3 * side * side)).save(buffer, kind, **options)
    return buffer.getvalue()
