"""The record of one request, as the middleware puts it into the queue, and its labels in the metrics."""

from collections.abc import Sequence
from typing import NamedTuple

from app.core.observability.request_counters import SearchStep

UNMATCHED = "unmatched"
# The route of all 405s in the metrics: clients choose the methods, and every route would have a series for each.
METHOD_NOT_ALLOWED = "method-not-allowed"
MAX_PATH = 1024
MAX_USER_AGENT = 256
MAX_NAME = 256
# The length of version 00 of the header; later versions may be longer, and begin with the same fields.
MAX_TRACEPARENT = 55
# A method is a label of the time series: invented methods must not multiply the series.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"})
OTHER_METHOD = "OTHER"
METHOD_NOT_ALLOWED_STATUS = 405
# The route, in the metrics, of requests that were refused before routing, such as a preflight.
NOT_ROUTED = "not-routed"
NOT_FOUND_STATUS = 404
_CLASSES = {number: f"{number}xx" for number in range(1, 6)}
OTHER_CLASS = "other"
# A series of the metrics: method, route, status class.
Series = tuple[str, str, str]


class RequestRecord(NamedTuple):
    """One request and its response, raw: the encoder of its batch converts, escapes and redacts the values.

    `time` is in nanoseconds since 1970, durations are in nanoseconds. Sizes are the bytes of the bodies that the
    application received and sent. `first_byte` is 0 without a response. Status 499 means that the client disconnected
    before the response. `aborted`: the response began and did not end. `search_trace` holds the steps of a search.
    """

    time: int
    method: str
    route: str
    path: str
    status: int
    duration: int
    request_id: str
    query: bytes = b""
    first_byte: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    user_id: object = None
    credential_id: object = None
    client: str | None = None
    user_agent: bytes = b""
    traceparent: bytes = b""
    statements: int = 0
    statement_seconds: float = 0.0
    cache_hits: int = 0
    cache_misses: int = 0
    error_slug: str | None = None
    client_disconnected: bool = False
    aborted: bool = False
    search_trace: Sequence[SearchStep] = ()

    @property
    def duration_ms(self) -> float:
        """The duration in milliseconds, to the microsecond."""
        return milliseconds(self.duration)


def milliseconds(nanoseconds: int) -> float:
    """Return nanoseconds as milliseconds, to the microsecond."""
    return nanoseconds // 1000 / 1000


def series_of(method: str, route: str, status: int) -> Series:
    """Return the series that such requests belong to: one for all 405s, one for all unknown paths."""
    if status == METHOD_NOT_ALLOWED_STATUS:
        return labels_of(OTHER_METHOD, METHOD_NOT_ALLOWED, status)
    if route == UNMATCHED:
        return labels_of(OTHER_METHOD, UNMATCHED if status == NOT_FOUND_STATUS else NOT_ROUTED, status)
    return labels_of(method, route, status)


def labels_of(method: str, route: str, status: int) -> Series:
    """Return method, route and status class, each out of a closed set."""
    return method if method in _METHODS else OTHER_METHOD, route, _CLASSES.get(status // 100, OTHER_CLASS)
