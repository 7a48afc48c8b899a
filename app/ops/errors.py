"""What operators are told when the telemetry cannot be read. The service itself never depends on it."""

from app.core.errors import QueryTimeout, Unavailable, ValidationFailed
from app.telemetry.errors import QueryTooCostly, TelemetryError


class TelemetryNotReadable(Unavailable):
    slug, title = "telemetry-unavailable", "Request log unavailable"
    description = "The request log does not respond."


def readable_error(error: TelemetryError) -> Unavailable:
    """Return what to say instead of an error of telemetry."""
    if isinstance(error, QueryTooCostly):
        return QueryTimeout("The query took too long. Use a shorter period or more filters.")
    return TelemetryNotReadable()


def too_many_points(limit: int) -> ValidationFailed:
    """Return the error for a series of more than `limit` points."""
    return ValidationFailed.at(
        ["query", "step"], f"The series would have over {limit} points. Use a longer step or a shorter period."
    )
