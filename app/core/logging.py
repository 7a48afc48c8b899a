"""Logs on stdout: one JSON line an event in production, a readable line in development."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Literal


class JsonFormatter(logging.Formatter):
    """One line of JSON an event; whatever was given as `extra={"fields": {...}}` becomes members of it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without a newline."""
        event = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            event["exception"] = self.formatException(record.exc_info)
        return json.dumps(event, default=str)


def configure_logging(level: str, style: Literal["json", "console"]) -> None:
    """Send every log of the process to stdout in this style."""
    handler = logging.StreamHandler(sys.stdout)
    readable = logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S")
    handler.setFormatter(JsonFormatter() if style == "json" else readable)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
