"""A batch of records as bytes: encoded once, the same on the disk, in memory and on the wire to MongoDB.

The payload is a sequence of BSON documents: a head, then one for each record. The head holds the sums for the metrics,
and the range of event ids and times for looking the batch up.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any

import bson
from bson.codec_options import CodecOptions
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument

from app.core.observability.logging import get_logger
from app.telemetry.metrics.minute_rollup import EPOCH, Group, MinuteRollup
from app.telemetry.recording.document_encoder import DocumentEncoder
from app.telemetry.request_record import RequestRecord

logger = get_logger(__name__)

# Half of MongoDB's limit for one document.
MAX_BLOCK_BYTES = 8 * 1024 * 1024
_AWARE: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True)


@dataclass(frozen=True)
class Batch:
    """`sequence` counts the batches of a stream, which is what one worker writes between its start and its end."""

    stream: str
    sequence: int
    count: int
    payload: bytes

    @cached_property
    def head(self) -> dict[str, Any]:
        """The batch's `first` and `last` event id, the times `since` and `until`, the `sums` for the metrics."""
        return bson.decode(self.payload[: _length(self.payload, 0)], _AWARE)

    @property
    def is_readable(self) -> bool:
        """Whether it has the format above: any other batch would be retried forever."""
        try:
            return self.head.keys() >= {"first", "last", "since", "until", "sums"}
        except BSONError:
            return False

    def documents(self) -> list[RawBSONDocument]:
        """Return the documents for the request log, still encoded."""
        return [RawBSONDocument(document) for document in _split(self.payload)][1:]

    def blocks(self) -> list[RawBSONDocument]:
        """Return them for sending: in one block, unless it exceeds the driver's limit for a document."""
        block = self.payload[_length(self.payload, 0) :]
        return [_Block(block)] if 0 < len(block) <= MAX_BLOCK_BYTES else self.documents()


class _Block(RawBSONDocument):
    """Several documents that the driver sends as one.

    In MongoDB's wire protocol (OP_MSG, a section of kind 1) documents follow each other, as in a payload. The server
    receives the same bytes, and the driver need not parse each document.
    """

    def __init__(self, documents: bytes) -> None:
        super().__init__(documents[: _length(documents, 0)])
        self._documents = documents

    @property
    def raw(self) -> bytes:
        """All documents as bytes."""
        return self._documents


class Encoder:
    """Writes the records of one stream, and gives each its event id: stream and number."""

    def __init__(self, stream: str, writer: DocumentEncoder) -> None:
        self._stream = stream.encode()
        self._writer = writer
        self._events = 0

    def written(self, records: Sequence[RequestRecord]) -> Iterator[bytes]:
        """Yield the documents; a record that cannot be encoded is left out and logged."""
        for record in records:
            self._events += 1
            try:
                yield self._writer.write(record, self.last_id())
            except (BSONError, ValueError, TypeError, AttributeError, OverflowError):
                # A bug in this service: it may lose this record, never the batch.
                logger.exception("request record could not be encoded")

    def last_id(self) -> bytes:
        """Return the event id of the record that was written last."""
        return b"%b%010x" % (self._stream, self._events)


class BatchBuilder:
    """A batch under construction: `records` were added, `count` of them encoded to `bytes` in total."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._first = self._last = encoder.last_id()
        self._documents: list[bytes] = []
        self._times: list[int] = []
        self._rollup = MinuteRollup()
        self.records = 0
        self.bytes = 0

    @property
    def count(self) -> int:
        """The number of documents."""
        return len(self._documents)

    def add(self, records: Sequence[RequestRecord], groups: Sequence[Group]) -> None:
        """Encode more records; `groups` are the same records, grouped."""
        times = [record.time for record in records]
        self._times += min(times), max(times)
        self._rollup.add(groups)
        written = list(self._encoder.written(records))
        self._documents += written
        self.bytes += sum(map(len, written))
        self._last = self._encoder.last_id()
        self.records += len(records)

    def payload(self) -> bytes:
        """Return the batch as bytes."""
        head = {
            "first": self._first.decode(),
            "last": self._last.decode(),
            "since": EPOCH + timedelta(milliseconds=min(self._times) // 1_000_000),
            "until": EPOCH + timedelta(milliseconds=max(self._times) // 1_000_000),
            "sums": self._rollup.increments(),
        }
        return b"".join((bson.encode(head), *self._documents))


def _length(payload: bytes, offset: int) -> int:
    return int.from_bytes(payload[offset : offset + 4], "little")


def _split(payload: bytes) -> Iterator[bytes]:
    offset = 0
    while offset < len(payload):
        end = offset + _length(payload, offset)
        yield payload[offset:end]
        offset = end
