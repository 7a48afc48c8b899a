"""Logs on stdout with structlog: a JSON object for each event in production, a readable line in development.

Events of this service and of libraries pass the same processors, which add the request id and redact exceptions: see
`app.core.observability.log_redaction`.
"""

import logging
import sys
from typing import Any, Literal

import structlog
from structlog.stdlib import BoundLogger
from structlog.typing import EventDict, Processor, WrappedLogger

from app.core.observability.log_redaction import format_redacted, redact_exception

# At INFO, or after the first line of a message, these repeat their input: addresses, values, whole tasks.
_VERBOSE_LIBRARIES = ("httpx", "httpcore", "urllib3")
# It warns of each malformed upload. The client learns that from its response.
_MULTIPART = "python_multipart"
_UNFINISHED_RESPONSE = "ASGI callable returned without completing response."


def get_logger(name: str) -> BoundLogger:
    """Return a logger of events with fields: `logger.warning("worker died", worker=pid)`."""
    logger: BoundLogger = structlog.wrap_logger(
        logging.getLogger(name),
        processors=[_redact_fields, _pass_to_logging],
        wrapper_class=BoundLogger,
        context_class=dict,
        cache_logger_on_first_use=True,
    )
    return logger


def create_formatter(style: Literal["json", "console"]) -> logging.Formatter:
    """Return the formatter of every record of the process."""
    render: Processor
    if style == "json":
        render = structlog.processors.JSONRenderer(default=str)
    else:
        render = structlog.dev.ConsoleRenderer(
            colors=sys.stdout.isatty(), timestamp_key="time", exception_formatter=structlog.dev.plain_traceback
        )
    return structlog.stdlib.ProcessorFormatter(
        processors=[
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.contextvars.merge_contextvars,
            _add_fields,
            _shorten_asyncio,
            structlog.processors.ExceptionRenderer(lambda exc_info: format_redacted(exc_info[1])),
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            render,
        ]
    )


def configure_logging(level: str, style: Literal["json", "console"]) -> None:
    """Send every log and warning of the process to stdout in this style."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(create_formatter(style))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    logging.getLogger("uvicorn.error").addFilter(_is_not_duplicate)
    for name in _VERBOSE_LIBRARIES:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level)))
    logging.getLogger(_MULTIPART).setLevel(logging.ERROR)


def _redact_fields(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {
        name: redact_exception(value) if name != "exc_info" and isinstance(value, BaseException) else value
        for name, value in event.items()
    }


def _pass_to_logging(_logger: WrappedLogger, _method: str, event: EventDict) -> dict[str, Any]:
    """Keep the fields in one attribute of the record: some names, such as `name`, are attributes already."""
    options = {name: event.pop(name) for name in ("exc_info", "stack_info") if name in event}
    return {"msg": event.pop("event"), "extra": {"fields": event}, **options}


def _add_fields(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Add the fields of own events. Extra attributes of other records may hold user data."""
    return {**event, **getattr(event["_record"], "fields", {})}


def _shorten_asyncio(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Keep the first line. asyncio repeats the exception below it, with its message."""
    if event["_record"].name == "asyncio":
        event["event"] = event["event"].partition("\n")[0]
    return event


def _is_not_duplicate(record: logging.LogRecord) -> bool:
    """Drop uvicorn's event for an aborted response: the own event has the request id."""
    return record.msg != _UNFINISHED_RESPONSE
