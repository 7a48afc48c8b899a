"""Spans of the commands to MongoDB that a request waits for. The delivery of records has none."""

from opentelemetry.trace import Span
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from app.core.observability.client_spans import ClientSpans, end

_NAMED = ("find", "aggregate", "insert", "update", "getMore")


class CommandSpans(CommandListener):
    """Listens to the driver, which calls it in the context of the command."""

    def __init__(self, spans: ClientSpans) -> None:
        self._spans = spans
        self._open: dict[int, Span] = {}

    def started(self, event: CommandStartedEvent) -> None:
        """Start the span of a command."""
        operation = event.command_name
        collection = str(event.command.get(operation, "")) if operation in _NAMED else ""
        attributes: dict[str, str | int] = {
            "db.system.name": "mongodb",
            "db.namespace": event.database_name,
            "db.operation.name": operation,
        }
        if collection:
            attributes["db.collection.name"] = collection
        span = self._spans.start(f"{operation} {collection}".rstrip(), attributes)
        if span is not None:
            self._open[event.request_id] = span

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """End the span of a command."""
        if (span := self._open.pop(event.request_id, None)) is not None:
            end(span)

    def failed(self, event: CommandFailedEvent) -> None:
        """End the span of a command with the error."""
        if (span := self._open.pop(event.request_id, None)) is not None:
            end(span, str(event.failure.get("codeName", "error")))
