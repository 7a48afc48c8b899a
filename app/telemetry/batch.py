"""A batch of records as bytes: encoded once, the same on the disk, in memory and on the wire to MongoDB.

The payload is BSON documents one after the other: first the head (what the batch adds to the metrics, and the range of
event ids and times by which it is found again), then one for each record.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import bson
from bson.codec_options import CodecOptions
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument

from app.telemetry.minutes import MinuteSums
from app.telemetry.record import RequestRecord

logger = logging.getLogger(__name__)

# Encoding and counting one record takes some 10 µs: that many at a time, then the requests have their turn.
_RECORDS_AT_ONCE = 32
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
        """Whether it is of the form described above: one that is not would be tried again and again."""
        try:
            return self.head.keys() >= {"first", "last", "since", "until", "sums"}
        except BSONError:
            return False

    def documents(self) -> list[RawBSONDocument]:
        """Return the documents for the request log, still encoded."""
        return [RawBSONDocument(document) for document in _split(self.payload)][1:]


class Encoder:
    """Turns the records of one stream into payloads, and gives each its event id: stream and number."""

    def __init__(self, stream: str, to_document: Callable[[RequestRecord, str], dict[str, Any]]) -> None:
        self._stream = stream
        self._to_document = to_document
        self._events = 0

    async def encode(self, records: Sequence[RequestRecord]) -> tuple[bytes, int]:
        """Return the payload and the number of records in it; one that cannot be encoded is left out and logged."""
        first = self._next_id(advance=0)
        documents: list[bytes] = []
        sums = MinuteSums()
        for start in range(0, len(records), _RECORDS_AT_ONCE):
            some = records[start : start + _RECORDS_AT_ONCE]
            documents += self._encoded(some)
            sums.add(some)
            await asyncio.sleep(0)
        times = [record.time for record in records]
        head = {
            "first": first,
            "last": self._next_id(advance=0),
            "since": min(times),
            "until": max(times),
            "sums": sums.increments(),
        }
        return b"".join((bson.encode(head), *documents)), len(documents)

    def _encoded(self, records: Sequence[RequestRecord]) -> Iterator[bytes]:
        for record in records:
            try:
                yield bson.encode(self._to_document(record, self._next_id()))
            except (BSONError, ValueError, TypeError, OverflowError):
                # A bug of ours, but it may cost this record only, never the batch.
                logger.exception("a request record cannot be encoded")

    def _next_id(self, advance: int = 1) -> str:
        self._events += advance
        return f"{self._stream}{self._events:010x}"


def _length(payload: bytes, offset: int) -> int:
    return int.from_bytes(payload[offset : offset + 4], "little")


def _split(payload: bytes) -> Iterator[bytes]:
    offset = 0
    while offset < len(payload):
        end = offset + _length(payload, offset)
        yield payload[offset:end]
        offset = end
