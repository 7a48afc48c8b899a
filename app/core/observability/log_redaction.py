"""Exceptions in logs without user data: full tracebacks, messages only of types that never quote input.

`ValueError("bad name: <input of a client>")`, "Key (email)=(ada@example.com) already exists", a decoder's bytes:
messages of libraries may quote input. A message is logged only if its type describes the program. Of other types the
log has the name and a few safe attributes.
"""

import traceback
from collections.abc import Iterator

from app.core.errors import AppError

_SAFE_TYPES = (OSError, RuntimeError, TypeError, AttributeError, NameError, ImportError, AssertionError, MemoryError)
# These attributes of a PostgreSQL error identify the fault and the schema; `detail` and the message may hold values.
_SAFE_ATTRIBUTES = ("sqlstate", "code", "constraint_name", "table_name", "column_name")
_CAUSE = "\nThe above exception was the direct cause of the following exception:\n"
_CONTEXT = "\nDuring handling of the above exception, another exception occurred:\n"
MAX_CHAIN = 8
MAX_MESSAGE = 500


def format_redacted(error: BaseException) -> str:
    """Return the traceback of an exception and its causes, oldest first, in Python's format."""
    return "\n".join(reversed([*_format_chain(error)]))


def redact_exception(error: BaseException) -> str:
    """Return one line about an exception: the text of an `AppError`, else the type and its safe parts."""
    return str(error) if isinstance(error, AppError) else _summary(error)


def _format_chain(error: BaseException | None) -> Iterator[str]:
    for _ in range(MAX_CHAIN):
        if error is None:
            return
        yield _format_one(error)
        if error.__cause__ is not None:
            yield _CAUSE
            error = error.__cause__
        elif error.__context__ is not None and not error.__suppress_context__:
            yield _CONTEXT
            error = error.__context__
        else:
            return


def _format_one(error: BaseException) -> str:
    frames = "".join(traceback.format_tb(error.__traceback__)).rstrip()
    heading = f"Traceback (most recent call last):\n{frames}\n" if frames else ""
    members = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    return heading + _summary(error) + "".join(f"\n+ {format_redacted(one)}" for one in members[:MAX_CHAIN])


def _summary(error: BaseException) -> str:
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    # A subclass of ValueError too, such as UnicodeError, quotes its value.
    if isinstance(error, _SAFE_TYPES) and not isinstance(error, ValueError):
        return f"{name}: {str(error)[:MAX_MESSAGE]}"
    known = {one: getattr(error, one, None) for one in _SAFE_ATTRIBUTES}
    attributes = ", ".join(f"{one}={value}" for one, value in known.items() if isinstance(value, (str, int)))
    return f"{name} ({attributes})" if attributes else name
