"""The write-ahead log of one worker: batches on the disk, in order, until MongoDB has them.

Every batch passes through the log, also while MongoDB responds. There is therefore one path, a `kill -9` loses only
records younger than a flush, and batches sent without a response are known after a restart. A batch is appended and
fsync'd before it is sent, and acknowledged by its position after delivery. The position is not fsync'd: after a power
cut it may be old, which costs a look-up of existing records (see `delivery`), no duplicate.

A log consists of segments, which are files. A segment contains frames: each is a batch after a header with its length
and checksum. An entry is the place of a frame.

If the disk fails, batches are kept in memory, up to a smaller limit. Not thread-safe; every method blocks.
"""

import contextlib
import os
import secrets
import struct
import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.core.observability.logging import get_logger
from app.core.observability.outages import OutageLog
from app.telemetry.errors import WriteAheadLogFull
from app.telemetry.recording.batch import Batch

logger = get_logger(__name__)

SEGMENT_BYTES = 8 * 1024 * 1024
MEMORY_BYTES = 8 * 1024 * 1024
# The limit of one write to MongoDB: large writes keep up with the requests when MongoDB is slow.
GROUP_RECORDS = 4000
GROUP_BYTES = 4 * 1024 * 1024
_SEGMENTS = "[0-9]*-*.seg"
_FRAME = struct.Struct("<IIQI")  # CRC-32 of the rest, payload length, sequence, number of records
_POSITION = struct.Struct("<QQI")  # segment, sequence, CRC-32 of both


@dataclass(frozen=True, slots=True)
class _Segment:
    """A file of about SEGMENT_BYTES at most; its name contains its number and its run."""

    path: Path
    number: int
    run_id: str


@dataclass(frozen=True, slots=True)
class _Entry:
    """The entry of a batch: its position in a segment, or its `payload` in memory."""

    segment: _Segment | None
    offset: int
    length: int
    run_id: str
    sequence: int
    count: int
    payload: bytes | None = None


class WriteAheadLog:
    """The waiting batches, oldest first; batches of an earlier run precede new ones.

    `outcome_unknown` means that the first batches may have been sent before, and that no response came.
    """

    def __init__(self, directory: Path | None, max_bytes: int) -> None:
        self.run_id = secrets.token_hex(8)
        self.records = 0
        self.bytes = 0
        self._directory = directory
        self._max_bytes = max_bytes
        self._entries: deque[_Entry] = deque()
        self._sequence = 0
        self._active: _Segment | None = None
        self._file = -1
        self._position = -1
        self._outage = OutageLog(logger, "telemetry write-ahead log")
        self._next_number = 1
        if directory is not None:
            self._recover(directory)
        self.outcome_unknown = bool(self._entries)

    def append(self, payload: bytes, count: int) -> None:
        """Add a batch of `count` records durably. Raises WriteAheadLogFull."""
        if self.bytes + len(payload) > self._max_bytes:
            raise WriteAheadLogFull
        try:
            entry = self._write(payload, count)
            self._outage.recover()
        except OSError as error:
            self._outage.fail(error)
            entry = self._keep_in_memory(payload, count)
        self._sequence += 1
        self._add(entry)

    def first(self) -> list[Batch]:
        """Return the oldest batches, up to the limit of one write. Raises OSError when the first cannot be read."""
        batches: list[Batch] = []
        for entry in self._group():
            try:
                batches.append(self._read(entry))
            except OSError:
                if not batches:
                    raise
                break
        return batches

    def _group(self) -> list[_Entry]:
        group: list[_Entry] = []
        records = size = 0
        for entry in self._entries:
            records, size = records + entry.count, size + entry.length
            if group and (records > GROUP_RECORDS or size > GROUP_BYTES or entry.run_id != group[0].run_id):
                break
            group.append(entry)
        return group

    def _read(self, entry: _Entry) -> Batch:
        payload = entry.payload
        if payload is None and entry.segment is not None:
            with entry.segment.path.open("rb") as file:
                file.seek(entry.offset)
                payload = file.read(entry.length)
        if payload is None or len(payload) != entry.length:
            raise OSError("a batch is missing from its segment")
        batch = Batch(entry.run_id, entry.sequence, entry.count, payload)
        if not batch.is_readable:
            raise OSError("a batch is not of a form that this version knows")
        return batch

    def acknowledge(self) -> int:
        """Remove the oldest batch, delivered or unreadable; return its number of records."""
        entry = self._entries.popleft()
        self.records -= entry.count
        self.bytes -= entry.length
        if entry.segment is not None:
            with contextlib.suppress(OSError):
                self._remember(entry.segment.number, entry.sequence)
            if entry.segment != self._active and not self._in_use(entry.segment):
                entry.segment.path.unlink(missing_ok=True)
        return entry.count

    def close(self) -> None:
        """Close the files, and delete them if every batch was delivered."""
        self._end_segment()
        if self._position >= 0:
            os.close(self._position)
            self._position = -1

    def _in_use(self, segment: _Segment) -> bool:
        # Entries are in order: the rest of a segment is at the front (memory entries aside).
        return any(entry.segment == segment for entry in self._entries)

    def _add(self, entry: _Entry) -> None:
        self._entries.append(entry)
        self.records += entry.count
        self.bytes += entry.length

    def _write(self, payload: bytes, count: int) -> _Entry:
        if self._directory is None:
            return self._keep_in_memory(payload, count)
        segment, start = self._segment_for_writing(self._directory)
        try:
            _write_all(self._file, _frame(payload, self._sequence + 1, count))
            os.fdatasync(self._file)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, start)
            self._end_segment()
            raise
        return _Entry(segment, start + _FRAME.size, len(payload), self.run_id, self._sequence + 1, count)

    def _keep_in_memory(self, payload: bytes, count: int) -> _Entry:
        if sum(len(entry.payload or b"") for entry in self._entries) + len(payload) > MEMORY_BYTES:
            raise WriteAheadLogFull
        return _Entry(None, 0, len(payload), self.run_id, self._sequence + 1, count, payload)

    def _segment_for_writing(self, directory: Path) -> tuple[_Segment, int]:
        if self._active is not None:
            written = os.fstat(self._file)
            # An operator may delete the open file: later batches written to it would be lost too.
            if written.st_size >= SEGMENT_BYTES or not written.st_nlink:
                self._end_segment()
        if self._active is None:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            name = f"{self._next_number:012d}-{self.run_id}.seg"
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
            self._file = os.open(directory / name, flags, 0o600)
            self._active = _Segment(directory / name, self._next_number, self.run_id)
            self._next_number += 1
            _sync_directory(directory)
        return self._active, os.fstat(self._file).st_size

    def _end_segment(self) -> None:
        if self._active is None:
            return
        os.close(self._file)
        ended, self._active, self._file = self._active, None, -1
        if not self._in_use(ended):
            ended.path.unlink(missing_ok=True)

    def _remember(self, number: int, sequence: int) -> None:
        position = struct.pack("<QQ", number, sequence)
        if self._position >= 0:
            os.pwrite(self._position, position + zlib.crc32(position).to_bytes(4, "little"), 0)

    def _recover(self, directory: Path) -> None:
        self._position = os.open(directory / "acked", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        acknowledged = _read_position(self._position)
        for segment in _segments(directory):
            self._next_number = segment.number + 1
            entries = [one for one in _entries_of(segment) if (segment.number, one.sequence) > acknowledged]
            for entry in entries:
                self._add(entry)
            if not entries:
                segment.path.unlink(missing_ok=True)
        self._next_number = max(self._next_number, acknowledged[0] + 1)


def has_batches(directory: Path) -> bool:
    """Return whether the directory may contain batches of an earlier run."""
    return any(directory.glob(_SEGMENTS))


def _segments(directory: Path) -> list[_Segment]:
    paths = sorted(directory.glob(_SEGMENTS))
    return [_Segment(path, int(path.stem.partition("-")[0]), path.stem.partition("-")[2]) for path in paths]


def _entries_of(segment: _Segment) -> Iterator[_Entry]:
    """Yield complete entries; a torn frame at the end was never acknowledged as safe."""
    with segment.path.open("rb") as file:
        while len(header := file.read(_FRAME.size)) == _FRAME.size:
            checksum, length, sequence, count = _FRAME.unpack(header)
            offset, payload = file.tell(), file.read(length)
            if len(payload) < length or zlib.crc32(payload, zlib.crc32(header[4:])) != checksum:
                return
            yield _Entry(segment, offset, length, segment.run_id, sequence, count)


def _frame(payload: bytes, sequence: int, count: int) -> bytes:
    header = struct.pack("<IQI", len(payload), sequence, count)
    return zlib.crc32(payload, zlib.crc32(header)).to_bytes(4, "little") + header + payload


def _read_position(file: int) -> tuple[int, int]:
    raw = os.pread(file, _POSITION.size, 0)
    if len(raw) < _POSITION.size:
        return 0, 0
    number, sequence, checksum = _POSITION.unpack(raw)
    return (number, sequence) if zlib.crc32(raw[:16]) == checksum else (0, 0)


def _write_all(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def _sync_directory(directory: Path) -> None:
    file = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
