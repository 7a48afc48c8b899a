"""Files opened as pictures: what their decoder needs, and what of their metadata changes how they look."""

from dataclasses import dataclass
from typing import IO, cast

from PIL import (
    AvifImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    WebPImagePlugin,
    _avif,
)

from app.media.decoding.heif import HeifFile
from app.media.decoding.jpeg import JpegStream
from app.media.decoding.png import PngFile, PngStream

_GREY_PNG = (0, 4)


@dataclass(frozen=True, slots=True)
class OpenedPicture:
    """A picture that is not decoded yet."""

    image: ImageFile.ImageFile
    orientation: int = 1
    profile: bytes = b""
    is_grey: bool = False
    # One sample a channel; a PNG's pixels of this colour are transparent.
    colour_key: tuple[int, ...] = ()
    # The area of the first frame, None for the whole screen; the rest is transparent.
    covered: tuple[int, int, int, int] | None = None
    jpeg: JpegStream | None = None


class _AvifFile(AvifImagePlugin.AvifImageFile):
    """An AVIF whose EXIF is not read: its orientation is a property of the picture (ISO/IEC 23000-22, 7.2)."""

    orientation = 1

    def _open(self) -> None:
        assert self.fp is not None  # noqa: S101
        self._decoder = _avif.AvifDecoder(self.fp.read(), "auto", 1)
        self._size, self.n_frames, self._mode, icc, _exif, self.orientation, _xmp = self._decoder.get_info()
        self.is_animated = self.n_frames > 1
        if icc:
            self.info["icc_profile"] = icc
        self.seek(0)


def configure() -> None:
    """Make Pillow's decoders read what a picture needs, and leave the judgement of damage to this package."""
    PngImagePlugin.PngStream = PngStream  # type: ignore[misc]
    # Damage behind the pixels is none; `rows` and `jpeg_blocks` find pixels that are missing.
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    # The pixels are bounded by the service, before any decoder sees the file.
    Image.MAX_IMAGE_PIXELS = None


def open_picture(kind: str, source: IO[bytes]) -> OpenedPicture:
    """Open a file as this format (Pillow's name), without detection."""
    match kind:
        case "JPEG":
            return _open_jpeg(source)
        case "PNG":
            return _open_png(source)
        case "GIF":
            gif = GifImagePlugin.GifImageFile(source)
            return OpenedPicture(gif, covered=_covered(gif))
        case "WEBP":
            webp = WebPImagePlugin.WebPImageFile(source)
            return OpenedPicture(webp, profile=webp.info.get("icc_profile", b""))
        case "HEIF":
            heif = HeifFile(source)
            return OpenedPicture(heif, profile=heif.profile, is_grey=heif.mode in ("L", "I;16"))
        case _:
            avif = _AvifFile(source)
            return OpenedPicture(avif, avif.orientation, avif.info.get("icc_profile", b""))


def _covered(gif: ImageFile.ImageFile) -> tuple[int, int, int, int] | None:
    extents = gif.tile[0].extents
    return None if extents == (0, 0, *gif.size) else extents


def _open_jpeg(source: IO[bytes]) -> OpenedPicture:
    stream = JpegStream(source)
    # Not by Image.open: further pictures in the file (MPO) are not shown.
    image = JpegImagePlugin.JpegImageFile(cast("IO[bytes]", stream))
    return OpenedPicture(image, stream.orientation, stream.profile, image.mode == "L", jpeg=stream)


def _open_png(source: IO[bytes]) -> OpenedPicture:
    image = PngFile(source)
    chunks = image.png
    assert isinstance(chunks, PngStream)  # noqa: S101
    return OpenedPicture(
        image, chunks.orientation, chunks.profile, chunks.colour_type in _GREY_PNG, colour_key=chunks.colour_key
    )
