"""HEIC files as pictures of Pillow, read by libheif (docs/decisions/0017).

Not by the plugin of pillow-heif: it reads all metadata, decodes embedded thumbnails instead of the picture, and shows a
picture that cannot be decoded as black.
"""

from typing import Any

from PIL import ImageFile

from app.media.decoding.errors import PixelsMissing
from app.media.heif_boxes import find_box, item_extents, item_types

# libheif decodes tiles in the calling thread; libde265 starts one of its own for each.
_THREADS = 0


class HeifFile(ImageFile.ImageFile):
    """The primary picture of a file. Its rotation, mirroring and crop are properties of it, which libheif applies."""

    format = "HEIF"
    profile = b""

    def _open(self) -> None:
        # Its libraries take 27 MB of the address space, which decoders of other formats keep.
        import _pillow_heif  # noqa: PLC0415

        assert self.fp is not None  # noqa: S101
        data = self.fp.read()
        pictures, _groups = _pillow_heif.load_file(data, _THREADS, True, False, False, True, "", False)
        require_every_picture(data)
        self._picture: Any = next((one for one in pictures if one is not None and one.primary), None)
        if self._picture is None:
            raise ValueError("The primary picture is not readable")
        self._size, self._mode = self._picture.size_mode
        colours = self._picture.color_profile
        if colours.get("type") in ("rICC", "prof"):
            self.profile = colours["data"]

    def load(self) -> Any:
        """Decode the picture. Raises ValueError or another exception for a damaged one."""
        if self._picture is not None:
            picture, self._picture = self._picture, None
            pixels = picture.data
            if picture.size_mode != (self.size, self.mode):
                raise ValueError("The picture has another size than the file states")
            self.load_prepare()
            self.frombytes(pixels, "raw", (self.mode, picture.stride))
        return super().load()


def require_every_picture(data: bytes) -> None:
    """Raise PixelsMissing if the file ends before the coded data of a picture or tile. libheif leaves it blank."""
    meta = find_box(data, b"meta", 0, len(data))
    types = item_types(data, meta)
    for item, extents in item_extents(data, meta).items():
        ends = [extent.offset + extent.length for extent in extents if not extent.is_in_idat]
        if types.get(item) == b"hvc1" and max(ends, default=0) > len(data):
            raise PixelsMissing("the file ends within its pixels")
