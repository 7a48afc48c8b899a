"""PNG files whose ancillary chunks decide nothing (PNG, third edition, sections 5 and 11).

Pillow reads every text chunk, and refuses a file for one that is damaged or large. This stream skips what a picture
does not need. It reads the colour key, the profile and the orientation itself: each of bounded size, and only if its
check sum is right, as Chromium does. A wrong sum behind the pixels costs no row.
"""

import struct
import zlib
from collections.abc import Callable, Mapping

from PIL import ImageFile, PngImagePlugin

from app.media.decoding.exif import read_orientation

MAX_PROFILE_BYTES = 4 * 1024 * 1024
_MAX_READ = 4 * 1024 * 1024
_PIXELS = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND", b"acTL", b"fcTL", b"fdAT"})
_DATA = frozenset({b"IDAT", b"fdAT"})
_COLOUR, _INDEXED = 2, 3


class PngFile(PngImagePlugin.PngImageFile):
    """A PNG whose decoder receives the last byte of the compressed pixels by itself.

    This byte completes the Adler-32 sum of the pixels. If the sum is wrong, zlib fails in the call that receives the
    byte, and Pillow drops the row of that call. Until the byte arrives, zlib returns every row that the data holds.
    """

    _last = b""

    def load_prepare(self) -> None:
        """Prepare to decode a frame."""
        self._last = b""
        super().load_prepare()

    def load_read(self, read_bytes: int) -> bytes:
        """Return further compressed pixels of the frame, empty at their end."""
        data = self._last
        while len(data) < 2 and (more := self._read_compressed(read_bytes)):
            data += more
        self._last = data[-1:] if len(data) > 1 else b""
        return data[:-1] or data

    def _read_compressed(self, read_bytes: int) -> bytes:
        try:
            return super().load_read(read_bytes)
        except (IndexError, struct.error):
            # The file ends behind a chunk of pixels. Pillow's loop catches the same, but loses the last byte.
            return b""


class PngStream(PngImagePlugin.PngStream):
    """Pillow's stream of chunks, for what a picture consists of."""

    orientation = 1
    profile = b""
    colour_type = 0
    # A sample for each channel; empty if the picture has none.
    colour_key: tuple[int, ...] = ()

    # The offset behind the last chunk of pixels, as the chunk states it.
    data_end = 0

    def read(self) -> tuple[bytes, int, int]:
        """Read the head of a chunk; return its name, the offset of its data and their length."""
        cid, pos, length = super().read()
        if cid in _DATA:
            self.data_end = pos + length
        return cid, pos, length

    def call(self, cid: bytes, pos: int, length: int) -> bytes:
        """Read a chunk; return its data, empty if the chunk is skipped. Leaves its check sum unread."""
        if cid in _PIXELS:
            return super().call(cid, pos, length)
        assert self.fp is not None  # noqa: S101
        if cid in self._readers and length <= _MAX_READ:
            return ImageFile._safe_read(self.fp, length)  # noqa: SLF001
        self.fp.seek(length, 1)
        return b""

    def crc(self, cid: bytes, data: bytes) -> None:
        """Read the check sum of a chunk before the pixels. Raises SyntaxError if the chunk is critical and damaged."""
        if not _is_ancillary(cid):
            if cid not in _PIXELS:
                raise SyntaxError("unknown critical chunk")
            super().crc(cid, data)
            return
        assert self.fp is not None  # noqa: S101
        stored = self.fp.read(4)
        if cid in self._readers and stored == struct.pack(">I", zlib.crc32(data, zlib.crc32(cid))):
            self._readers[cid](self, data)

    def chunk_IHDR(self, pos: int, length: int) -> bytes:  # noqa: N802 - Pillow's name
        data = super().chunk_IHDR(pos, length)
        self.colour_type = data[9]
        self._bits = data[8]
        return data

    def _read_transparency(self, data: bytes) -> None:
        if self.colour_type == _INDEXED:
            self.im_info["transparency"] = data[:256]
        elif len(data) >= 2:
            samples = struct.unpack(f">{len(data[:6]) // 2}H", data[: len(data[:6]) // 2 * 2])
            self.colour_key = tuple(self._scaled(sample) for sample in samples)

    def _scaled(self, sample: int) -> int:
        """Return a sample as Pillow scales those of the pixels: grey of 1 and of 16 bits stays as it is."""
        if self._bits == 16 and self.colour_type == _COLOUR:
            return sample >> 8
        return sample * 255 // ((1 << self._bits) - 1) if 1 < self._bits < 8 else sample

    def _read_profile(self, data: bytes) -> None:
        _name, _, packed = data.partition(b"\0")
        unpacker = zlib.decompressobj()
        try:
            profile = unpacker.decompress(packed[1:], MAX_PROFILE_BYTES)
        except zlib.error:
            return
        if unpacker.eof:
            self.profile = profile

    def _read_orientation(self, data: bytes) -> None:
        self.orientation = read_orientation(data)

    _readers: Mapping[bytes, Callable[["PngStream", bytes], None]] = {
        b"tRNS": _read_transparency,
        b"iCCP": _read_profile,
        b"eXIf": _read_orientation,
    }


def _is_ancillary(cid: bytes) -> bool:
    return bool(cid[0] & 0x20)
