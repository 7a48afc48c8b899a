"""Encodes request records as the BSON documents that MongoDB stores."""

import re
from functools import lru_cache
from math import isinf
from typing import Any

import bson
from bson.datetime_ms import DatetimeMS
from bson.int64 import Int64

from app.core.observability.request_counters import SearchStep
from app.telemetry.redaction import PersonalData, escape, parse_address, redact_query
from app.telemetry.request_record import (
    MAX_NAME,
    MAX_PATH,
    MAX_USER_AGENT,
    RequestRecord,
    labels_of,
    milliseconds,
)

_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
# Escaping and redacting cost more than the encoding, and most texts repeat. 512 of the longest paths are 8 MB.
_CACHED_TEXTS = 512


class DocumentEncoder:
    """Encodes the records of one worker: texts are cut, escaped and redacted; unknown values are left out."""

    def __init__(self, worker: str, personal: PersonalData, kept: frozenset[str]) -> None:
        self._worker = escape(worker, MAX_NAME)
        self._personal = personal
        self._kept = kept
        self._target = lru_cache(_CACHED_TEXTS)(self._make_target)
        self._caller = lru_cache(_CACHED_TEXTS)(self._make_caller)

    def encode(self, record: RequestRecord, event_id: bytes) -> bytes:
        """Return the document. Raises BSONError, TypeError, AttributeError, ValueError for an impossible record."""
        document: dict[str, Any] = {
            "time": DatetimeMS(record.time // 1_000_000),
            "_id": event_id.decode(),
            "status": record.status,
            "duration_ms": record.duration_ms,
            "bytes_in": Int64(record.bytes_in),
            "bytes_out": Int64(record.bytes_out),
            "statements": record.statements,
            "statement_ms": round(record.statement_seconds * 1000, 3),
            "cache_hits": record.cache_hits,
            "cache_misses": record.cache_misses,
            "client_disconnected": record.client_disconnected,
            "aborted": record.aborted,
            "meta": _meta(record.method, record.route, record.status),
            **self._target(record.path, record.query),
            **self._caller(record.client, record.user_agent, record.user_id, record.credential_id),
            "request_id": escape(record.request_id, MAX_NAME),
        }
        if record.first_byte:
            document["first_byte_ms"] = milliseconds(record.first_byte)
        if record.traceparent and (match := _TRACEPARENT.match(record.traceparent)):
            document["trace_id"] = match[1].decode()
        if record.error_slug:
            document["error_slug"] = escape(record.error_slug, MAX_NAME)
        if record.search_trace:
            document["search"] = [_search_step(step) for step in record.search_trace]
        document["worker"] = self._worker
        return bson.encode(document)

    def _make_target(self, path: str, query: bytes) -> dict[str, str]:
        target = {"path": escape(path, MAX_PATH)}
        if query:
            target["query"] = redact_query(query, self._kept)
        return target

    def _make_caller(
        self, client: str | None, user_agent: bytes, user_id: object, credential_id: object
    ) -> dict[str, str]:
        caller = {"user_agent": escape(user_agent.decode("latin-1"), MAX_USER_AGENT)}
        if client and (recorded := self._personal.anonymize(parse_address(client))):
            caller["client"] = recorded
        if user_id:
            caller["user_id"] = escape(str(user_id), MAX_NAME)
        if credential_id:
            caller["credential_id"] = escape(str(credential_id), MAX_NAME)
        return caller


def _search_step(step: SearchStep) -> dict[str, Any]:
    """Return a step of a search. Only searches without a cached page have any."""
    return {
        "strategy": step.strategy,
        "reason": step.reason,
        "expected_rows": _finite(step.expected_rows),
        "max_rows": step.max_rows,
        "returned_rows": step.returned_rows,
        "cost_ms": _finite(round(step.cost / 1000, 3)),
        "duration_ms": round(step.milliseconds, 3),
    }


def _finite(number: float | None) -> float | None:
    return None if number is None or isinf(number) else number


@lru_cache(_CACHED_TEXTS)
def _meta(method: str, route: str, status: int) -> dict[str, str]:
    method, route, status_class = labels_of(method, route, status)
    return {
        "method": escape(method, MAX_NAME),
        "route": escape(route, MAX_NAME),
        "status_class": status_class,
    }
