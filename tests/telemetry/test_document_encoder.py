"""Records are encoded as documented, and the driver decodes them."""

from datetime import UTC, datetime
from math import inf
from typing import Any

import bson
import pytest
from bson.codec_options import CodecOptions

from app.core.observability.request_counters import SearchStep
from app.telemetry.recording.document_encoder import DocumentEncoder
from app.telemetry.redaction import PersonalData
from tests.telemetry.records import make_record

NOON = datetime(2026, 11, 20, 12, 0, 0, 123_000, tzinfo=UTC)
EVENT_ID = b"0123456789abcdef000000002a"
LEAST = {
    "time": NOON,
    "_id": EVENT_ID.decode(),
    "status": 200,
    "duration_ms": 1.0,
    "bytes_in": 0,
    "bytes_out": 0,
    "statements": 0,
    "statement_ms": 0.0,
    "cache_hits": 0,
    "cache_misses": 0,
    "client_disconnected": False,
    "aborted": False,
    "meta": {"method": "GET", "route": "/v1/images/{id}", "status_class": "2xx"},
    "path": "/v1/images/0",
    "user_agent": "",
    "request_id": "r0",
    "worker": "host:1",
}


def _written(**values: Any) -> dict[str, Any]:
    encoder = DocumentEncoder("host:1", PersonalData("keep", "s" * 40), frozenset())
    record = make_record(time=NOON, **values)
    first = encoder.encode(record, EVENT_ID)
    assert encoder.encode(record, EVENT_ID) == first  # from the cached texts
    return bson.decode(first, CodecOptions(tz_aware=True))


def test_unknown_values_are_left_out() -> None:
    assert _written() == LEAST


def test_every_field_is_encoded() -> None:
    found = _written(
        status=503,
        duration_ms=12.3456,
        first_byte=4_567_890,
        bytes_in=2**40,
        bytes_out=2**41,
        statements=7,
        statement_seconds=0.0123456,
        cache_hits=1,
        cache_misses=2,
        query=b"limit=5&q=secret",
        client="::1",
        user_agent=b"caf\xe9/1.0",
        user_id="u",
        credential_id="c",
        traceparent=b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        error_slug="database-unavailable",
        client_disconnected=True,
        aborted=True,
        search_trace=[
            SearchStep("ordered_scan", "probe", None, 0, 2_000, 3, 1.2345),
            SearchStep("fetch_and_sort", "no other strategy is cheaper", 10.5, inf, 9, 2, 20),
        ],
    )
    assert found == LEAST | {
        "meta": {"method": "GET", "route": "/v1/images/{id}", "status_class": "5xx"},
        "status": 503,
        "duration_ms": 12.345,
        "first_byte_ms": 4.567,
        "bytes_in": 2**40,
        "bytes_out": 2**41,
        "statements": 7,
        "statement_ms": 12.346,
        "cache_hits": 1,
        "cache_misses": 2,
        "query": "limit=5&q=[redacted]",
        "client": "::1",
        "user_agent": "café/1.0",
        "user_id": "u",
        "credential_id": "c",
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "error_slug": "database-unavailable",
        "client_disconnected": True,
        "aborted": True,
        "search": [
            {
                "strategy": "ordered_scan",
                "reason": "probe",
                "expected_rows": None,
                "max_rows": 2_000,
                "returned_rows": 3,
                "cost_ms": 0,
                "duration_ms": 1.234,
            },
            {
                "strategy": "fetch_and_sort",
                "reason": "no other strategy is cheaper",
                "expected_rows": 10.5,
                "max_rows": 9,
                "returned_rows": 2,
                "cost_ms": None,
                "duration_ms": 20,
            },
        ],
    }


@pytest.mark.parametrize("value", [b"", b"00-" + b"0" * 32 + b"-00f067aa0ba902b7-01", b"ff", b"\xff" * 55])
def test_an_invalid_traceparent_is_ignored(value: bytes) -> None:
    assert _written(traceparent=value) == LEAST


@pytest.mark.parametrize("text", ["\x00", "\ud800", "\U0001f4f7" * 2000, "a\nb", "\u202e"])
def test_hostile_text_is_cut_and_escaped(text: str) -> None:
    found = _written(path=text, request_id=text, user_id=text, error_slug=text, route=text)
    for value in (found["path"], found["request_id"], found["user_id"], found["error_slug"], found["meta"]["route"]):
        assert value.isprintable()
        assert 0 < len(value) <= 1024
