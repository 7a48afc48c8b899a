"""Pixels of any mode as pixels that can be scaled, and colours of any profile in sRGB.

Scaling needs alpha that is multiplied in: colours of transparent pixels would bleed into edges otherwise.
"""

import io

from PIL import Image, ImageChops, ImageCms

_SRGB = ImageCms.createProfile("sRGB")
_STRAIGHT = {"La": "LA", "RGBa": "RGBA"}


def scalable(pixels: Image.Image, colour_key: tuple[int, ...] = ()) -> Image.Image:
    """Return the pixels with 8 bits a channel, alpha multiplied in: in mode L, La, RGB, RGBa or CMYK."""
    direct = _direct(pixels)
    if colour_key:
        direct = direct.copy() if direct is pixels else direct
        direct.putalpha(_alpha_of_key(pixels, colour_key))
    return {"LA": lambda: direct.convert("La"), "RGBA": lambda: direct.convert("RGBa")}.get(
        direct.mode, lambda: direct
    )()


def _direct(pixels: Image.Image) -> Image.Image:
    if pixels.mode.startswith("I") or pixels.mode == "F":
        return pixels.convert("I").point(lambda value: value / 256).convert("L")
    if pixels.mode == "1":
        return pixels.convert("L")
    if pixels.mode in ("P", "PA"):
        return pixels.convert("RGBA" if pixels.has_transparency_data else "RGB")
    return pixels if pixels.mode in ("L", "LA", "RGB", "RGBA", "RGBa", "CMYK") else pixels.convert("RGB")


def _alpha_of_key(pixels: Image.Image, colour_key: tuple[int, ...]) -> Image.Image:
    """Return 0 where all samples are those of the key, 255 elsewhere."""
    alpha = Image.new("L", pixels.size)
    for channel, sample in zip(pixels.split(), colour_key, strict=False):
        alpha = ImageChops.lighter(alpha, _differing(channel, sample))
    return alpha


def _differing(channel: Image.Image, sample: int) -> Image.Image:
    if channel.mode.startswith("I"):
        wide = channel.convert("I")
        above = wide.point(lambda value: value - sample).convert("L")
        below = wide.point(lambda value: sample - value).convert("L")
        channel, sample = ImageChops.lighter(above, below), 0
    if channel.mode == "1":
        channel, sample = channel.convert("L"), sample * 255
    return channel.point([255 * (value != sample) for value in range(256)])


def in_srgb(picture: Image.Image, profile: bytes, *, is_grey: bool) -> Image.Image:
    """Return a picture as RGB or RGBA in sRGB. A profile that is broken or of another colour space counts as none."""
    straight = picture.convert(_STRAIGHT.get(picture.mode, picture.mode))
    alpha = straight.getchannel("A") if straight.mode in ("LA", "RGBA") else None
    colours = _apply(straight, profile, is_grey=is_grey) if profile else None
    colours = colours or straight.convert("RGB")
    if alpha is not None:
        colours.putalpha(alpha)
    return colours


def _apply(picture: Image.Image, profile: bytes, *, is_grey: bool) -> Image.Image | None:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = source.profile.xcolor_space.strip()
        modes = {"GRAY": "L" if is_grey else None, "RGB": None if picture.mode == "CMYK" else "RGB"}
        mode = "CMYK" if space == picture.mode == "CMYK" else modes.get(space)
        if mode is None:
            return None
        return ImageCms.profileToProfile(picture.convert(mode), source, _SRGB, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None
