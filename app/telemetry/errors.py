"""What can go wrong in telemetry. No client of the API ever meets it; `app.ops` tells operators in its own words.

TelemetryError
├── TelemetryUnavailable   MongoDB does not answer; nothing was sent
│   └── OutcomeUnknown     the connection broke after sending: the write may have happened, or may yet
├── QueryTooCostly         the query reached its time limit
└── SpoolFull              the disk bound is reached
"""


class TelemetryError(Exception):
    """Base of the tree."""


class TelemetryUnavailable(TelemetryError):
    """MongoDB does not answer."""


class OutcomeUnknown(TelemetryUnavailable):
    """A write was sent and not answered: whether it happened has to be looked up before it is sent again."""


class SpoolFull(TelemetryError):
    """The spill file has reached its bound."""


class QueryTooCostly(TelemetryError):
    """The query was given up by MongoDB at its time limit."""
