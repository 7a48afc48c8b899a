"""Synthetic photographs: noise at each scale, from coarse to fine, as in natural images."""

import io

from PIL import Image, ImageChops

_TILE = 1024
_OCTAVES = 8
# Below the pixel limit of the service.
_MAX_PIXELS = 90_000_000
_QUALITIES = (85, 92, 96, 100)


def photograph(size: int) -> bytes:
    """Return a JPEG of exactly `size` bytes, with the pixels of a photograph of that size, padded at its end.

    A JPEG of white noise with this size would have fewer pixels, and each would take longer to decode.
    """
    tile = _tile()
    for quality in _QUALITIES:
        side = int((size / _bytes_per_pixel(tile, quality)) ** 0.5)
        if side * side <= _MAX_PIXELS:
            break
    while True:
        written = _jpeg(_tiled(tile, side), quality)
        if len(written) <= size:
            return written + bytes(size - len(written))
        side = int(side * 0.98)


def _tile() -> Image.Image:
    """Return a square with three correlated channels, as photographs have."""
    grey = _octaves(_TILE)
    return Image.merge("RGB", [ImageChops.blend(grey, _octaves(_TILE), share) for share in (0.0, 0.1, 0.2)])


def _octaves(side: int) -> Image.Image:
    picture = Image.new("L", (side, side), 128)
    for octave in range(_OCTAVES):
        cells = side >> (_OCTAVES - 1 - octave)
        noise = Image.effect_noise((cells, cells), 100 / 1.5**octave).resize((side, side), Image.Resampling.BICUBIC)
        picture = ImageChops.add(picture, noise, offset=-128)
    return picture


def _tiled(tile: Image.Image, side: int) -> Image.Image:
    picture = Image.new("RGB", (side, side))
    for left in range(0, side, _TILE):
        for top in range(0, side, _TILE):
            picture.paste(tile, (left, top))
    return picture


def _bytes_per_pixel(tile: Image.Image, quality: int) -> float:
    return len(_jpeg(tile, quality)) / (_TILE * _TILE)


def _jpeg(picture: Image.Image, quality: int) -> bytes:
    written = io.BytesIO()
    picture.save(written, "JPEG", quality=quality)
    return written.getvalue()
