"""A batch of records as bytes: encoded once, the same on the disk, in memory and on the wire to MongoDB.

The payload is a sequence of BSON documents: a header, then one for each record. The header holds the sums for the
metrics, and the range of event ids and times with which the batch is looked up. A run is the life of one worker
process. An event id is the `_id` of a record's document: the id of the run, then the number of the record in it.
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
MAX_JOINED_BYTES = 8 * 1024 * 1024
_AWARE: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True)


@dataclass(frozen=True)
class Batch:
    """A batch of `count` records. `sequence` counts the batches of the run."""

    run_id: str
    sequence: int
    count: int
    payload: bytes

    @cached_property
    def header(self) -> dict[str, Any]:
        """The batch's `first` and `last` event id, the times `since` and `until`, the `sums` for the metrics."""
        return bson.decode(self.payload[: _length(self.payload, 0)], _AWARE)

    @property
    def is_readable(self) -> bool:
        """Whether it has the format above: any other batch would be retried forever."""
        try:
            return self.header.keys() >= {"first", "last", "since", "until", "sums"}
        except BSONError:
            return False

    def documents(self) -> list[RawBSONDocument]:
        """Return the documents for the request log, still encoded."""
        return [RawBSONDocument(document) for document in _split(self.payload)][1:]

    def wire_documents(self) -> list[RawBSONDocument]:
        """Return them for sending: joined to one, unless it exceeds the driver's limit for a document."""
        joined = self.payload[_length(self.payload, 0) :]
        return [_JoinedDocuments(joined)] if 0 < len(joined) <= MAX_JOINED_BYTES else self.documents()


class _JoinedDocuments(RawBSONDocument):
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


class RunEncoder:
    """Encodes the records of one run, and gives each its event id."""

    def __init__(self, run_id: str, encoder: DocumentEncoder) -> None:
        self._run_id = run_id.encode()
        self._encoder = encoder
        self._count = 0

    def encode(self, records: Sequence[RequestRecord]) -> Iterator[bytes]:
        """Yield the documents; a record that cannot be encoded is left out and logged."""
        for record in records:
            self._count += 1
            try:
                yield self._encoder.encode(record, self.last_id())
            except (BSONError, ValueError, TypeError, AttributeError, OverflowError):
                # A bug in this service: it may lose this record, never the batch.
                logger.exception("request record could not be encoded")

    def last_id(self) -> bytes:
        """Return the event id of the record that was encoded last."""
        return b"%b%010x" % (self._run_id, self._count)


class BatchBuilder:
    """A batch under construction: `records` were added, `count` of them encoded to `bytes` in total."""

    def __init__(self, encoder: RunEncoder) -> None:
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
        """Encode more records; `groups` are the same records by minute and series."""
        times = [record.time for record in records]
        self._times += min(times), max(times)
        self._rollup.add(groups)
        encoded = list(self._encoder.encode(records))
        self._documents += encoded
        self.bytes += sum(map(len, encoded))
        self._last = self._encoder.last_id()
        self.records += len(records)

    def payload(self) -> bytes:
        """Return the batch as bytes."""
        header = {
            "first": self._first.decode(),
            "last": self._last.decode(),
            "since": EPOCH + timedelta(milliseconds=min(self._times) // 1_000_000),
            "until": EPOCH + timedelta(milliseconds=max(self._times) // 1_000_000),
            "sums": self._rollup.increments(),
        }
        return b"".join((bson.encode(header), *self._documents))


def _length(payload: bytes, offset: int) -> int:
    return int.from_bytes(payload[offset : offset + 4], "little")


def _split(payload: bytes) -> Iterator[bytes]:
    offset = 0
    while offset < len(payload):
        end = offset + _length(payload, offset)
        yield payload[offset:end]
        offset = end
