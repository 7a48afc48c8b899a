"""Records as the documents that MongoDB is given, written as BSON by hand (bsonspec.org).

Every request pays for this. What has a fixed size is written by one `struct` call, with the names of the fields as
constants in between; texts repeat, and are kept as they were written the last time.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from math import isinf
from struct import Struct, pack

import bson

from app.core.observability.request_counters import SearchStep
from app.telemetry.record import MAX_NAME, MAX_PATH, MAX_USER_AGENT, RequestRecord, labels_of, milliseconds
from app.telemetry.redaction import PersonalData, address, plain, redacted_query

_DOUBLE, _TEXT, _DOCUMENT, _BOOLEAN, _DATE, _INT32, _INT64 = (
    b"\x01",
    b"\x02",
    b"\x03",
    b"\x08",
    b"\x09",
    b"\x10",
    b"\x12",
)
EVENT_ID_BYTES = 26
# Type and name of each field of a fixed size; then how `struct` writes its value.
_TIME = _DATE + b"time\0"
_ID = _TEXT + b"_id\0" + pack("<i", EVENT_ID_BYTES + 1)
_STATUS = _INT32 + b"status\0"
_DURATION = _DOUBLE + b"duration_ms\0"
_BYTES_IN = _INT64 + b"bytes_in\0"
_BYTES_OUT = _INT64 + b"bytes_out\0"
_STATEMENTS = _INT32 + b"statements\0"
_STATEMENT_MS = _DOUBLE + b"statement_ms\0"
_CACHE_HITS = _INT32 + b"cache_hits\0"
_CACHE_MISSES = _INT32 + b"cache_misses\0"
_DISCONNECTED = _BOOLEAN + b"client_disconnected\0"
_ABORTED = _BOOLEAN + b"aborted\0"
_FIXED = (
    *(
        (_TIME, "q"),
        (_ID, f"{EVENT_ID_BYTES}sx"),
        (_STATUS, "i"),
        (_DURATION, "d"),
        (_BYTES_IN, "q"),
        (_BYTES_OUT, "q"),
    ),
    *((_STATEMENTS, "i"), (_STATEMENT_MS, "d"), (_CACHE_HITS, "i"), (_CACHE_MISSES, "i")),
    *((_DISCONNECTED, "?"), (_ABORTED, "?")),
)
_FIXED_PART = Struct("<i" + "".join(f"{len(name)}s{value}" for name, value in _FIXED))
_FIRST_BYTE = Struct("<15sd")
_FIRST_BYTE_MS = _DOUBLE + b"first_byte_ms\0"
_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
# Most are in use again and again; of the longest paths, 512 are 8 MB.
_KEPT_TEXTS = 512


class DocumentWriter:
    """Writes the documents of one worker: cut, escaped, redacted, without the values that are not known."""

    def __init__(self, worker: str, personal: PersonalData, kept: frozenset[str]) -> None:
        self._end = _text(b"worker", plain(worker, MAX_NAME)) + b"\0"
        self._personal = personal
        self._kept = kept
        self._target = lru_cache(_KEPT_TEXTS)(self._write_target)
        self._caller = lru_cache(_KEPT_TEXTS)(self._write_caller)

    def write(self, record: RequestRecord, event_id: bytes) -> bytes:
        """Return the document. Raises struct.error, TypeError, AttributeError for what no request can be like."""
        # fmt: off
        (time, method, route, path, status, duration, request_id, query, first_byte, bytes_in, bytes_out, user_id,
         credential_id, client, user_agent, traceparent, statements, statement_seconds, cache_hits, cache_misses,
         error_slug, client_disconnected, aborted, search_trace) = record
        texts = (
            _meta(method, route, status)
            + self._target(path, query)
            + self._caller(client, user_agent, user_id, credential_id)
            + _text(b"request_id", plain(request_id, MAX_NAME))
        )
        if first_byte:
            texts += _FIRST_BYTE.pack(_FIRST_BYTE_MS, milliseconds(first_byte))
        if traceparent and (match := _TRACEPARENT.match(traceparent)):
            texts += _text(b"trace_id", match[1].decode())
        if error_slug:
            texts += _text(b"error_slug", plain(error_slug, MAX_NAME))
        if search_trace:
            texts += _search_field(search_trace)
        texts += self._end
        return _FIXED_PART.pack(
            _FIXED_PART.size + len(texts), _TIME, time // 1_000_000, _ID, event_id, _STATUS, status,
            _DURATION, milliseconds(duration), _BYTES_IN, bytes_in, _BYTES_OUT, bytes_out, _STATEMENTS, statements,
            _STATEMENT_MS, statement_seconds and round(statement_seconds * 1000, 3),
            _CACHE_HITS, cache_hits, _CACHE_MISSES, cache_misses, _DISCONNECTED, client_disconnected,
            _ABORTED, aborted,
        ) + texts
        # fmt: on

    def _write_target(self, path: str, query: bytes) -> bytes:
        written = _text(b"path", plain(path, MAX_PATH))
        return written + _text(b"query", redacted_query(query, self._kept)) if query else written

    def _write_caller(self, client: str | None, user_agent: bytes, user_id: object, credential_id: object) -> bytes:
        written = _text(b"user_agent", plain(user_agent.decode("latin-1"), MAX_USER_AGENT))
        if client and (told := self._personal.treat(address(client))):
            written += _text(b"client", told)
        if user_id:
            written += _text(b"user_id", plain(str(user_id), MAX_NAME))
        if credential_id:
            written += _text(b"credential_id", plain(str(credential_id), MAX_NAME))
        return written


def _search_field(steps: Sequence[SearchStep]) -> bytes:
    """Return the field `search`, an array of the steps. Only searches without a cached page have it."""
    trace = [
        {
            "strategy": step.strategy,
            "reason": step.reason,
            "expected_rows": _finite(step.expected_rows),
            "max_rows": step.max_rows,
            "returned_rows": step.returned_rows,
            "cost_ms": _finite(round(step.cost / 1000, 3)),
            "duration_ms": round(step.milliseconds, 3),
        }
        for step in steps
    ]
    # A document is its length in four bytes, the fields, and a zero byte.
    return bson.encode({"search": trace})[4:-1]


def _finite(number: float | None) -> float | None:
    return None if number is None or isinf(number) else number


@lru_cache(_KEPT_TEXTS)
def _meta(method: str, route: str, status: int) -> bytes:
    method, route, status_class = labels_of(method, route, status)
    fields = _text(b"method", plain(method, MAX_NAME)) + _text(b"route", plain(route, MAX_NAME))
    fields += _text(b"status_class", status_class)
    return _DOCUMENT + b"meta\0" + pack("<i", 4 + len(fields) + 1) + fields + b"\0"


def _text(name: bytes, value: str) -> bytes:
    written = value.encode()
    return b"\x02%b\0%b%b\0" % (name, (len(written) + 1).to_bytes(4, "little"), written)
