"""Errors of telemetry. Clients of the API never see them; `app.ops` maps them for operators.

TelemetryError
├── TelemetryUnavailable   MongoDB does not respond
│   └── OutcomeUnknown     the connection broke after sending: the write may still happen
├── QueryTooCostly         the query reached its time limit
└── WriteAheadLogFull      the disk limit is reached
"""


class TelemetryError(Exception):
    """Base class of telemetry errors."""


class TelemetryUnavailable(TelemetryError):
    """MongoDB does not respond."""


class OutcomeUnknown(TelemetryUnavailable):
    """A write got no response: look its result up before sending it again."""


class WriteAheadLogFull(TelemetryError):
    """The write-ahead log has reached its limit."""


class QueryTooCostly(TelemetryError):
    """MongoDB ended the query at its time limit."""
