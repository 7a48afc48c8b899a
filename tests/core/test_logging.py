"""Log lines: their fields, and the redaction."""

import asyncio
import json
import logging
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any, NoReturn

import asyncpg
import pytest
from structlog.contextvars import bound_contextvars

from app.core.errors import DatabaseUnavailable
from app.core.observability.log_redaction import format_redacted
from app.core.observability.logging import create_formatter, get_logger
from tests.support.paths import ROOT

SECRET = "S3cretValue"


def _fail(error: Exception) -> NoReturn:
    raise error


def _raised(error: Exception) -> logging.LogRecord:
    try:
        _fail(error)
    except Exception:  # noqa: BLE001
        return logging.LogRecord("app", logging.ERROR, __file__, 1, "it\nbroke", None, sys.exc_info())


def test_an_exception_is_one_line_with_its_traceback() -> None:
    with bound_contextvars(request_id="r1"):
        line = create_formatter("json").format(_raised(RuntimeError("a bug")))
    assert "\n" not in line
    event = json.loads(line)
    assert (event["level"], event["event"], event["request_id"]) == ("error", "it\nbroke", "r1")
    assert "in _fail\n" in event["exception"]
    assert event["exception"].endswith("RuntimeError: a bug")


def _unique_violation() -> Any:
    error: Any = asyncpg.UniqueViolationError(f"Key (name)=({SECRET}) already exists.")
    error.constraint_name = "images_name_key"
    return error


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: ValueError(SECRET), "ValueError"),
        (lambda: KeyError(SECRET), "KeyError"),
        (lambda: UnicodeDecodeError("utf-8", SECRET.encode(), 0, 1, SECRET), "UnicodeDecodeError"),
        (lambda: ExceptionGroup(SECRET, [ValueError(SECRET)]), "ExceptionGroup"),
        (_unique_violation, "UniqueViolationError (sqlstate=23505, constraint_name=images_name_key)"),
    ],
)
@pytest.mark.parametrize("formatter", [create_formatter("json"), create_formatter("console")])
def test_messages_that_hold_values_are_not_logged(
    make: Callable[[], Exception], said: str, formatter: logging.Formatter
) -> None:
    wrapped = RuntimeError("wrapped")
    wrapped.__cause__ = make()
    line = formatter.format(_raised(wrapped))
    assert said in line
    assert "RuntimeError: wrapped" in line
    assert SECRET not in line


def test_causes_of_an_exception_come_first() -> None:
    first, second = TypeError("first"), TypeError("second")
    second.__context__ = first
    text = format_redacted(second)
    assert text.index("first") < text.index("During handling") < text.index("second")


def test_a_cycle_of_exceptions_is_cut() -> None:
    first, second = TypeError("first"), TypeError("second")
    first.__context__, second.__context__ = second, first
    assert len(format_redacted(first)) < 2000


async def test_an_unretrieved_exception_of_a_task_logs_no_values() -> None:
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign,assignment]
    logging.getLogger("asyncio").addHandler(handler)

    async def fail() -> None:
        raise ValueError(SECRET)

    task: asyncio.Task[Any] = asyncio.create_task(fail())
    await asyncio.wait([task])
    del task
    logging.getLogger("asyncio").removeHandler(handler)
    [record] = records
    assert SECRET in record.getMessage()
    line = create_formatter("json").format(record)
    assert "never retrieved" in line
    assert SECRET not in line


def test_f87_a_malformed_upload_logs_no_warning() -> None:
    command = (
        "import logging; from app.core.observability.logging import configure_logging;"
        "configure_logging('INFO', 'json');"
        "logging.getLogger('python_multipart.multipart').warning('malformed');"
        "logging.getLogger('app').warning('kept')"
    )
    shown = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert [json.loads(line)["event"] for line in shown.stdout.splitlines()] == ["kept"]


def test_an_event_has_the_documented_fields(caplog: pytest.LogCaptureFixture) -> None:
    with bound_contextvars(request_id="r1"):
        get_logger("app").warning("worker died", name="w", exit_code=1)
        event = json.loads(create_formatter("json").format(caplog.records[-1]))
    assert datetime.fromisoformat(event.pop("time")).tzinfo is not None
    expected = {"level": "warning", "logger": "app", "event": "worker died", "request_id": "r1"}
    assert event == expected | {"name": "w", "exit_code": 1}


def test_exceptions_in_fields_are_redacted_before_any_handler(caplog: pytest.LogCaptureFixture) -> None:
    get_logger("app").warning("failed", error=ValueError(SECRET), reason=DatabaseUnavailable())
    [record] = caplog.records
    assert vars(record)["fields"] == {"error": "ValueError", "reason": str(DatabaseUnavailable())}


def test_extra_attributes_of_libraries_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("library").warning("seen", extra={"body": SECRET})
    for style in ("json", "console"):
        line = create_formatter(style).format(caplog.records[-1])
        assert ("seen" in line, SECRET in line) == (True, False)
