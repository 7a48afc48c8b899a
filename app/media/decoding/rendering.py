"""Thumbnails, in little more memory than the decoded picture takes (docs/decisions/0014)."""

import io

from PIL import Image

from app.media.decoding.colours import in_srgb, scalable
from app.media.decoding.exif import upright
from app.media.decoding.opening import OpenedPicture

WEBP_QUALITY = 80
# The picture is reduced by averaging to at least twice the size, then resampled.
REDUCING_GAP = 2
# Conversions copy this many pixels at a time.
STRIP_PIXELS = 1 << 20


def render_thumbnail(picture: OpenedPicture, side: int) -> bytes:
    """Return the first frame as WebP: fitted into the square, upright, in sRGB, without metadata."""
    image = picture.image
    target = fitted(image.size, side)
    width, height = image.size
    image.draft(None, (target[0] * REDUCING_GAP, target[1] * REDUCING_GAP))
    image.load()
    # How many times smaller the decoder has made it.
    drafted = image.decoderconfig[0] if image.decoderconfig else 1
    factor = max(1, int(max(image.size) / max(target) / REDUCING_GAP))
    small = reduced(picture, factor)
    box = (0, 0, width / drafted / factor, height / drafted / factor)
    scaled = small if small.size == target else small.resize(target, Image.Resampling.LANCZOS, box)
    shown = upright(in_srgb(scaled, picture.profile, is_grey=picture.is_grey), picture.orientation)
    shown.info.clear()
    written = io.BytesIO()
    shown.save(written, "WEBP", quality=WEBP_QUALITY, method=4, exif=b"", xmp=b"", icc_profile=b"")
    return written.getvalue()


def fitted(size: tuple[int, int], side: int) -> tuple[int, int]:
    """Return the size of a picture that is fitted into a square, and never enlarged."""
    longest = max(size)
    if longest <= side:
        return size
    width, height = (max(1, round(one * side / longest)) for one in size)
    return width, height


def reduced(picture: OpenedPicture, factor: int) -> Image.Image:
    """Return the image in a mode that can be scaled, `factor` times smaller, converted strip by strip."""
    image = picture.image
    width, height = image.size
    rows = max(1, STRIP_PIXELS // (width * factor)) * factor
    result: Image.Image | None = None
    for top in range(0, height, rows):
        strip = image.crop((0, top, width, min(top + rows, height)))
        if picture.covered is not None:
            strip = without_uncovered(strip, picture.covered, top)
        strip = scalable(strip, picture.colour_key).reduce(factor)
        if result is None:
            result = Image.new(strip.mode, (strip.width, -(-height // factor)))
        result.paste(strip, (0, top // factor))
    assert result is not None  # noqa: S101
    return result


def without_uncovered(strip: Image.Image, covered: tuple[int, int, int, int], top: int) -> Image.Image:
    """Return a strip of a picture, transparent where the first frame does not cover it."""
    left, upper, right, lower = covered
    box = (left, max(0, upper - top), right, min(strip.height, lower - top))
    shown = Image.new("RGBA", strip.size)
    if box[1] < box[3]:
        shown.paste(strip.convert("RGBA").crop(box), box)
    return shown
