"""The record of one request: what is known of it, as plain values that MongoDB takes whatever the client sent."""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from app.telemetry.redaction import PersonalData, address, plain, redacted_query

UNMATCHED = "unmatched"
MAX_PATH = 1024
MAX_USER_AGENT = 256
MAX_NAME = 256
# A method becomes part of the time series' meta: what clients make up must not multiply the series.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER_METHOD = "OTHER"
_CLASSES = {number: f"{number}xx" for number in range(1, 6)}
OTHER_CLASS = "other"
_OPTIONAL = ("user_id", "credential_id", "trace_id", "error_slug")


@dataclass(slots=True, kw_only=True)
class RequestRecord:
    """One request and its answer. Times are in milliseconds, sizes in bytes of the bodies as the application saw them.

    `status` 499 says that the client went away before an answer began. `aborted`: the answer began and did not end.
    """

    time: datetime
    method: str
    route: str
    path: str
    status: int
    duration_ms: float
    request_id: str
    query: bytes = b""
    first_byte_ms: float | None = None
    bytes_in: int = 0
    bytes_out: int = 0
    user_id: str | None = None
    credential_id: str | None = None
    client: str | None = None
    user_agent: str = ""
    trace_id: str | None = None
    statements: int = 0
    statement_ms: float = 0.0
    cache_hits: int = 0
    cache_misses: int = 0
    error_slug: str | None = None
    client_disconnected: bool = False
    aborted: bool = False

    @property
    def series(self) -> tuple[str, str, str]:
        """The time series it belongs to: method, route, status class."""
        method = self.method if self.method in _METHODS else OTHER_METHOD
        return method, self.route, _CLASSES.get(self.status // 100, OTHER_CLASS)


def to_document(
    record: RequestRecord, event_id: str, worker: str, personal: PersonalData, kept: frozenset[str]
) -> dict[str, Any]:
    """Return the document for MongoDB: cut, escaped, redacted, without the values that are not known.

    It is made for every request, so what repeats is made once and what is not there costs nothing.
    """
    document = {
        "time": record.time,
        "meta": _meta(*record.series),
        "_id": event_id,
        "path": plain(record.path, MAX_PATH),
        "status": record.status,
        "duration_ms": round(record.duration_ms, 3),
        "bytes_in": record.bytes_in,
        "bytes_out": record.bytes_out,
        "user_agent": plain(record.user_agent, MAX_USER_AGENT),
        "request_id": plain(record.request_id, MAX_NAME),
        "statements": record.statements,
        "statement_ms": round(record.statement_ms, 3),
        "cache_hits": record.cache_hits,
        "cache_misses": record.cache_misses,
        "worker": worker,
        "client_disconnected": record.client_disconnected,
        "aborted": record.aborted,
    }
    if record.query:
        document["query"] = redacted_query(record.query, kept)
    if record.first_byte_ms is not None:
        document["first_byte_ms"] = round(record.first_byte_ms, 3)
    if record.client and (client := personal.treat(address(record.client))):
        document["client"] = client
    for name in _OPTIONAL:
        if value := getattr(record, name):
            document[name] = plain(value, MAX_NAME)
    return document


@lru_cache(maxsize=1024)
def _meta(method: str, route: str, status_class: str) -> dict[str, str]:
    return {"method": method, "route": plain(route, MAX_NAME), "status_class": status_class}
