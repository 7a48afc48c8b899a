"""A perceptual hash of 256 bits, in which copies of one picture differ by few bits.

The method is that of PDQ: the signs of the 16 x 16 lowest frequencies of a discrete cosine transform, relative to their
median. Source: Facebook, "The TMK+PDQF Video-Hashing Algorithm and the PDQ Image-Hashing Algorithm", 2019. Here the
transform has 32 x 32 cells, not 64 x 64: without NumPy, that is a quarter of the time (docs/decisions/0022).
"""

import math
import statistics
from collections.abc import Sequence
from operator import add, mul, sub

from PIL import Image

from app.media.decoding.colours import scalable
from app.media.decoding.exif import upright
from app.media.image_properties import HASH_BYTES, MAX_QUALITY, PerceptualHash

CELLS = 32
FREQUENCIES = 16
# Larger pictures are sampled at this many points a side. Averaging all pixels would cost as much as decoding them.
SAMPLES = 512
# The first half of each wave of the DCT-II, and whether the second half mirrors it with the other sign.
_WAVES = [
    (
        frequency % 2 == 1,
        [math.sqrt(2 / CELLS) * math.cos(math.pi * (cell + 0.5) * frequency / CELLS) for cell in range(CELLS // 2)],
    )
    for frequency in range(1, FREQUENCIES + 1)
]


def hash_pixels(pixels: Image.Image, orientation: int, colour_key: tuple[int, ...] = ()) -> PerceptualHash:
    """Return the hash of decoded pixels of any mode, on a white ground. The time does not depend on their number.

    The quality is the median size of the frequencies, in steps of the brightness.
    """
    cells = upright(_brightness(pixels, colour_key), orientation).tobytes()
    rows = [_transform(cells[start : start + CELLS]) for start in range(0, len(cells), CELLS)]
    columns = [_transform(column) for column in zip(*rows, strict=True)]
    frequencies = [value for row in zip(*columns, strict=True) for value in row]
    median = statistics.median(frequencies)
    bits = sum(1 << place for place, value in enumerate(reversed(frequencies)) if value > median)
    quality = min(MAX_QUALITY, round(statistics.median(map(abs, frequencies))))
    return PerceptualHash(bits.to_bytes(HASH_BYTES, "big"), quality)


def _brightness(pixels: Image.Image, colour_key: tuple[int, ...]) -> Image.Image:
    """Return the mean brightness of each cell, in mode L."""
    size = (min(pixels.width, SAMPLES), min(pixels.height, SAMPLES))
    sampled = pixels if size == pixels.size else pixels.resize(size, Image.Resampling.NEAREST)
    cells = scalable(sampled, colour_key).resize((CELLS, CELLS), Image.Resampling.BOX)
    if cells.mode in ("La", "RGBa"):
        straight = cells.convert("RGBA" if cells.mode == "RGBa" else "LA").convert("RGBA")
        cells = Image.alpha_composite(Image.new("RGBA", straight.size, "white"), straight)
    return cells.convert("L")


def _transform(values: Sequence[float]) -> list[float]:
    """Return the DCT of 32 values at the frequencies 1 to 16."""
    first, second = values[: CELLS // 2], values[: CELLS // 2 - 1 : -1]
    symmetric, antisymmetric = list(map(add, first, second)), list(map(sub, first, second))
    return [sum(map(mul, antisymmetric if odd else symmetric, wave)) for odd, wave in _WAVES]
