"""The errors of operators' endpoints when telemetry cannot be read. Other endpoints do not depend on telemetry."""

from app.core.errors import QueryTimeout, Unavailable, ValidationFailed
from app.telemetry.errors import QueryTooCostly, TelemetryError


class TelemetryNotReadable(Unavailable):
    slug, title = "telemetry-unavailable", "Request log unavailable"
    description = "The request log does not respond."


def readable_error(error: TelemetryError) -> Unavailable:
    """Return the error to report to the client for a telemetry error."""
    if isinstance(error, QueryTooCostly):
        return QueryTimeout("The query took too long. Use a shorter period or more filters.")
    return TelemetryNotReadable()


def too_many_points(limit: int) -> ValidationFailed:
    """Return the error for a series of more than `limit` points."""
    return ValidationFailed.at(
        ["query", "step"], f"The series would have over {limit} points. Use a longer step or a shorter period."
    )
