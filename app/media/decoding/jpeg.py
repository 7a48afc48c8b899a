"""JPEG files as a stream of what a decoder needs.

Layout: ITU-T T.81, annex B. Metadata, stray bytes and fill bytes are left out of the stream, and an end is added to it:
what is not part of the picture cannot make it unreadable.
"""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from app.media.decoding.exif import read_orientation
from app.media.decoding.jpeg_frame import Frame
from app.media.decoding.seekable_stream import SeekableStream

BLOCK_BYTES = 64 * 1024
# Quantization and Huffman tables of real files take less than 2 kB.
MAX_HEADER_BYTES = 1024 * 1024
MAX_PROFILE_BYTES = 4 * 1024 * 1024
# Without the fill bytes that may precede it, so that the search is linear.
_MARKER = re.compile(rb"\xff([^\x00\xff])")
_SOS, _DHT, _DQT, _DRI, _DAC = 0xDA, 0xC4, 0xDB, 0xDD, 0xCC
_APP0, _APP1, _APP2, _APP14 = 0xE0, 0xE1, 0xE2, 0xEE
_RESTARTS = range(0xD0, 0xD8)
_STANDALONE = frozenset({*_RESTARTS, 0x01})
_FRAMES = frozenset(range(0xC0, 0xD0)) - {_DHT, 0xC8, _DAC}
_TABLES = frozenset({_DHT, _DQT, _DRI, _DAC})
# These have a length; any other marker ends the picture.
_SEGMENTS = _FRAMES | _TABLES | {_SOS, 0xDC, 0xDE, 0xDF, 0xFE} | set(range(0xE0, 0xF0))
_CONTINUE = _SEGMENTS | {*_RESTARTS}
_START, _END = b"\xff\xd8", b"\xff\xd9"
_EXIF = b"Exif\0\0"
_PROFILE = b"ICC_PROFILE\0"


@dataclass(frozen=True, slots=True)
class JpegChunk:
    """Bytes of the stream; `ends_data` when a run of entropy-coded data ends with them."""

    data: bytes
    ends_data: bool = False


class JpegStream(SeekableStream):
    """A JPEG without what its decoder does not need. `seek` leads into the header only."""

    def __init__(self, source: IO[bytes]) -> None:
        """Read up to the data of the first scan. Raises ValueError when there is none."""
        super().__init__()
        self._source = source
        self._buffer = b""
        self._offset = 0
        self._profile: dict[int, bytes] = {}
        self._orientation: int | None = None
        self._frame: Frame | None = None
        self._restart_interval = 0
        self._restarts_left = 0
        self._lacks_interval = False
        self.header = self._read_header()
        self._chunks = self._read_chunks()

    @property
    def orientation(self) -> int:
        """The EXIF orientation, 1-8."""
        return self._orientation or 1

    @property
    def profile(self) -> bytes:
        """The ICC profile; empty if there is none."""
        return b"".join(self._profile[number] for number in sorted(self._profile))

    @property
    def is_complete(self) -> bool:
        """Whether the scans that were read cover every coefficient and every restart interval of the picture."""
        return not self._lacks_interval and self._frame is not None and self._frame.is_complete

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence != io.SEEK_SET or offset > len(self.header):
            raise io.UnsupportedOperation
        self._position = offset
        return offset

    def read(self, size: int = -1) -> bytes:
        """Return bytes of the header, or behind it a chunk of any length; none when the picture has ended."""
        if self._position < len(self.header):
            end = None if size < 0 else self._position + size
            data = self.header[self._position : end]
            self._position += len(data)
            return data
        return next((chunk.data for chunk in self.chunks() if chunk.data), b"")

    def chunks(self) -> Iterator[JpegChunk]:
        """Yield what follows the header, with an end."""
        if self._frame is not None and self._frame.is_arithmetic:
            # The arithmetic decoder cannot wait for more.
            return iter([JpegChunk(b"".join(chunk.data for chunk in self._chunks))])
        return self._chunks

    def _read_header(self) -> bytes:
        header = bytearray(_START)
        if self._take(2) != _START:
            raise ValueError("no JPEG")
        code = None
        while code != _SOS:
            code = self._next_marker()
            if code in _STANDALONE:
                continue
            if code not in _SEGMENTS:
                raise ValueError("no scan in the JPEG")
            header += self._read_segment(code)
            if len(header) > MAX_HEADER_BYTES:
                raise ValueError("too many tables in the JPEG")
        return bytes(header)

    def _read_chunks(self) -> Iterator[JpegChunk]:
        yield from self._read_entropy_coded(b"")
        while (code := self._next_marker()) is not None and code in _CONTINUE:
            if code in _RESTARTS:
                self._restarts_left -= 1
                yield from self._read_entropy_coded(bytes([0xFF, code]))
            else:
                yield JpegChunk(self._read_segment(code))
            if code == _SOS:
                yield from self._read_entropy_coded(b"")
        self._end_scan()
        yield JpegChunk(_END)

    def _read_entropy_coded(self, prefix: bytes) -> Iterator[JpegChunk]:
        while True:
            if found := _MARKER.search(self._buffer, self._offset):
                yield JpegChunk(prefix + self._take(found.start() - self._offset).rstrip(b"\xff"), ends_data=True)
                return
            data = self._buffer[self._offset :].rstrip(b"\xff")
            # One of them can begin a marker; more of them are fill bytes.
            self._buffer = self._buffer[self._offset + len(data) :][:1]
            self._offset = 0
            yield JpegChunk(prefix + data)
            prefix = b""
            if not self._refill():
                yield JpegChunk(b"", ends_data=True)
                return

    def _read_segment(self, code: int) -> bytes:
        """Return a segment as the stream has it: empty if its decoder does not need it."""
        length = int.from_bytes(self._take(2), "big")
        payload = self._take(max(0, length - 2))
        if code == _SOS:
            self._begin_scan(payload)
        elif code in _FRAMES:
            self._frame = self._frame or Frame(code, payload)
        elif code == _DRI:
            self._restart_interval = int.from_bytes(payload[:2], "big")
        elif code not in _TABLES:
            return self._read_metadata(code, payload)
        return _framed(code, payload)

    def _begin_scan(self, payload: bytes) -> None:
        if self._frame is None:
            raise ValueError("no frame in the JPEG")
        self._end_scan()
        self._restarts_left = self._frame.begin_scan(payload, self._restart_interval)

    def _end_scan(self) -> None:
        self._lacks_interval = self._lacks_interval or self._restarts_left > 0

    def _read_metadata(self, code: int, payload: bytes) -> bytes:
        if code == _APP1 and payload.startswith(_EXIF) and self._orientation is None:
            self._orientation = read_orientation(payload)
        elif code == _APP2 and payload.startswith(_PROFILE):
            self._note_profile(payload[len(_PROFILE) :])
        elif (code == _APP0 and payload.startswith(b"JFIF")) or (code == _APP14 and payload.startswith(b"Adobe")):
            return _framed(code, payload)
        return b""

    def _note_profile(self, part: bytes) -> None:
        if len(part) > 2 and sum(map(len, self._profile.values())) < MAX_PROFILE_BYTES:
            self._profile.setdefault(part[0], part[2:])

    def _next_marker(self) -> int | None:
        """Move behind the next marker and return its code; None at the end of the file."""
        while not (found := _MARKER.search(self._buffer, self._offset)):
            self._offset = len(self._buffer) - self._buffer.endswith(b"\xff")
            if not self._refill():
                return None
        self._offset = found.end()
        return found[1][0]

    def _take(self, count: int) -> bytes:
        """Return the next bytes: fewer at the end of the file only."""
        while len(self._buffer) - self._offset < count and self._refill():
            pass
        data = self._buffer[self._offset : self._offset + count]
        self._offset += len(data)
        return data

    def _refill(self) -> bool:
        block = self._source.read(BLOCK_BYTES)
        self._buffer = self._buffer[self._offset :] + block
        self._offset = 0
        return bool(block)


def _framed(code: int, payload: bytes) -> bytes:
    return bytes([0xFF, code]) + (len(payload) + 2).to_bytes(2, "big") + payload
