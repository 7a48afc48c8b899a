"""Image files as Chromium shows them, and colours compared as people see them."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from PIL import Image
from playwright.async_api import Page
from skimage.color import deltaE_ciede2000, rgb2lab

from tests.media.corpus import TYPES, MediaFile

Pixel = tuple[int, int, int, int]
# The middle of each patch, from the left and from the top.
POINTS = ((0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75))
BATCH = 40
DRAW = """
async ([files, points]) => {
  const results = [];
  for (const [type, data] of files) {
    const url = URL.createObjectURL(await (await fetch(`data:${type};base64,${data}`)).blob());
    const image = new Image();
    image.src = url;
    try {
      await image.decode();
    } catch {
      results.push(null);
      continue;
    } finally {
      URL.revokeObjectURL(url);
    }
    const [width, height] = [image.naturalWidth, image.naturalHeight];
    const context = new OffscreenCanvas(width, height).getContext("2d", {willReadFrequently: true});
    context.drawImage(image, 0, 0);
    const at = ([x, y]) => context.getImageData(Math.floor(x * width), Math.floor(y * height), 1, 1);
    results.push([width, height, points.map((point) => Array.from(at(point).data))]);
  }
  return results;
}
"""


@dataclass(frozen=True, slots=True)
class Appearance:
    """The size of a picture, and the colours of its patches."""

    size: tuple[int, int]
    pixels: tuple[Pixel, ...]


async def draw(page: Page, files: Sequence[MediaFile]) -> list[Appearance | None]:
    """Return how Chromium shows each file, None for one that it does not show."""
    results: list[Appearance | None] = []
    for start in range(0, len(files), BATCH):
        batch = [[TYPES[one.kind], base64.b64encode(one.body).decode()] for one in files[start : start + BATCH]]
        results += [drawn and _drawn(*drawn) for drawn in await page.evaluate(DRAW, [batch, POINTS])]
    return results


def _drawn(width: int, height: int, pixels: list[Pixel]) -> Appearance:
    return Appearance((width, height), tuple(pixels))


def appearance(picture: Image.Image) -> Appearance:
    """Return how a picture without profile and orientation looks."""
    direct = picture.convert("RGBA")
    return Appearance(picture.size, tuple(_pixel(direct, point) for point in POINTS))


def _pixel(picture: Image.Image, point: tuple[float, float]) -> Pixel:
    place = int(point[0] * picture.width), int(point[1] * picture.height)
    return cast("Pixel", picture.getpixel(place))


def difference(one: Appearance, other: Appearance) -> float:
    """Return the largest colour difference of the patches (CIEDE2000), on black as well as on white."""
    pairs = zip(one.pixels, other.pixels, strict=True)
    return max(_delta(first, second, ground) for first, second in pairs for ground in (0, 255))


def _delta(one: Pixel, other: Pixel, ground: int) -> float:
    colours = [rgb2lab([[_over(pixel, ground)]]) for pixel in (one, other)]
    return float(deltaE_ciede2000(*colours).max())  # type: ignore[no-untyped-call]


def _over(pixel: Pixel, ground: int) -> list[float]:
    alpha = pixel[3] / 255
    return [(channel * alpha + ground * (1 - alpha)) / 255 for channel in pixel[:3]]
