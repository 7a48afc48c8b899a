"""Logs on stdout: one JSON line an event in production, a readable line in development.

Each event of a request has its id. Neither style tells what a client sent: see `app.core.log_redaction`.
"""

import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Literal

from app.core.log_redaction import told

current_request_id: ContextVar[str | None] = ContextVar("current_request_id", default=None)
# These repeat at INFO or in what follows the first line what they were given: addresses, values, whole tasks.
_TALKATIVE = ("httpx", "httpcore", "urllib3")
# It warns of each malformed upload, which the client learns from its response.
_MULTIPART = "python_multipart"
_CUT = "ASGI callable returned without completing response."
_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class _Formatter(logging.Formatter):
    def formatException(self, ei: _ExcInfo) -> str:  # noqa: N802 - logging's name
        """Return the traceback without what may be user data."""
        return told(ei[1]) if ei[1] else ""

    def event(self, record: logging.LogRecord) -> str:
        """Return what happened, in words. asyncio goes on with the exception, whose traceback we have anyway."""
        message = record.getMessage()
        return message.partition("\n")[0] if record.name == "asyncio" else message


class JsonFormatter(_Formatter):
    """One line of JSON an event; whatever was given as `extra={"fields": {...}}` becomes members of it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without a newline."""
        event = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": self.event(record),
            **_request_id(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            event["exception"] = self.formatException(record.exc_info)
        return json.dumps(event, default=str)


class ConsoleFormatter(_Formatter):
    """A line for a reader, and the traceback below it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line or lines."""
        fields = {**_request_id(), **getattr(record, "fields", {})}
        told_fields = "".join(f" {name}={value}" for name, value in fields.items())
        time = f"{datetime.fromtimestamp(record.created, UTC):%H:%M:%S}"
        line = f"{time} {record.levelname:7} {record.name}: {self.event(record)}{told_fields}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _is_news(record: logging.LogRecord) -> bool:
    """Leave out what uvicorn says of an answer that was cut: whoever cut it has said so, with the request's id."""
    return record.msg != _CUT


def _request_id() -> dict[str, str]:
    request_id = current_request_id.get()
    return {"request_id": request_id} if request_id else {}


def configure_logging(level: str, style: Literal["json", "console"]) -> None:
    """Send every log and warning of the process to stdout in this style."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter() if style == "json" else ConsoleFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level)))
    logging.getLogger(_MULTIPART).setLevel(logging.ERROR)
