"""Whether every block of a JPEG is in its file (docs/decisions/0014).

libjpeg fills missing blocks in, and only warns, when a marker comes before a scan or a restart interval is complete.
So each run of entropy-coded data is fed to the decoder without the marker behind it, but followed by padding:

- A decoder that has every block of the run looks for the next marker. It takes padding at once, byte by byte.
- A decoder that lacks blocks takes the padding for data. It takes nothing more until it has a whole unit of blocks. The
  padding consists of ones, which are no Huffman code: libjpeg spends 34 bits of them on a block.

The decoder reads up to 64 bits ahead, so one block at the very end of a run can be missing unnoticed. The headers
show the rest: whether the scans cover every component and coefficient, and the number of restart markers.
"""

from typing import Any

from PIL import Image, ImageFile

from app.media.decoding.errors import PixelsMissing
from app.media.decoding.jpeg import JpegStream

# The pixels that a perceptual hash needs on each side.
MIN_SIDE = 64
_PADDING = b"\xff\x00" * 8


class _Decoder:
    """Pillow's JPEG decoder, fed by hand: it returns the number of bytes that it has taken."""

    def __init__(self, image: ImageFile.ImageFile) -> None:
        image.load_prepare()
        codec, extents, _offset, args = image.tile[0]
        self._decoder: Any = Image._getdecoder(image.mode, codec, args, image.decoderconfig)  # noqa: SLF001
        self._decoder.setimage(image.im, extents)
        self._rest = b""
        self.is_done = False

    def feed(self, data: bytes) -> None:
        """Decode the bytes, until every row is decoded. Raises OSError for data that no decoder reads."""
        if self.is_done:
            return
        self._rest += data
        taken, error = self._decoder.decode(self._rest)
        if error < 0:
            raise OSError("broken JPEG data")
        self.is_done = taken < 0
        self._rest = self._rest[max(0, taken) :]

    def takes_single_bytes(self) -> bool:
        """Return whether the decoder, just fed with padding, is looking for a marker or done."""
        for _ in range(2):
            self.feed(b"\0")
            if self._rest and not self.is_done:
                return False
        return True


def require_every_block(image: ImageFile.ImageFile, stream: JpegStream) -> Image.Image:
    """Decode a JPEG that was just opened, at up to an eighth of its size; return the pixels. Every bit is still read.

    Raises PixelsMissing; OSError for data that no decoder reads.
    """
    image.draft(image.mode, (MIN_SIDE, MIN_SIDE))
    decoder = _Decoder(image)
    decoder.feed(stream.header)
    for chunk in stream.chunks():
        decoder.feed(chunk.data + _PADDING if chunk.ends_data else chunk.data)
        if chunk.ends_data and not decoder.takes_single_bytes():
            raise PixelsMissing("blocks are missing")
        if decoder.is_done:
            break
    else:
        raise PixelsMissing("blocks are missing")
    if not stream.is_complete:
        raise PixelsMissing("parts of scans are missing")
    return image._new(image.im)  # noqa: SLF001 - as Pillow itself does for decoded pixels
