"""Exceptions as logs may tell them: where they came from in full, what they say only where that cannot be user data.

`ValueError("bad name: <what a client sent>")`, "Key (email)=(ada@example.com) already exists", a decoder's bytes: what
libraries put into messages is for the eyes of whoever sent it. So a message is told only of types whose messages name
things of the program; of all others the type, and what else is harmless about it.
"""

import traceback
from collections.abc import Iterator

_TOLD = (OSError, RuntimeError, TypeError, AttributeError, NameError, ImportError, AssertionError, MemoryError)
# Of a PostgreSQL error these name the schema and say what went wrong; `detail` and the message may hold values.
_ATTRIBUTES = ("sqlstate", "code", "constraint_name", "table_name", "column_name")
_CAUSE = "\nThe above exception was the direct cause of the following exception:\n"
_CONTEXT = "\nDuring handling of the above exception, another exception occurred:\n"
MAX_CHAIN = 8
MAX_MESSAGE = 500


def told(error: BaseException) -> str:
    """Return the traceback of an exception and of those that led to it, oldest first, as Python prints it."""
    return "\n".join(reversed([*_told_chain(error)]))


def _told_chain(error: BaseException | None) -> Iterator[str]:
    for _ in range(MAX_CHAIN):
        if error is None:
            return
        yield _told_one(error)
        if error.__cause__ is not None:
            yield _CAUSE
            error = error.__cause__
        elif error.__context__ is not None and not error.__suppress_context__:
            yield _CONTEXT
            error = error.__context__
        else:
            return


def _told_one(error: BaseException) -> str:
    frames = "".join(traceback.format_tb(error.__traceback__)).rstrip()
    heading = f"Traceback (most recent call last):\n{frames}\n" if frames else ""
    members = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    return heading + _summary(error) + "".join(f"\n+ {told(one)}" for one in members[:MAX_CHAIN])


def _summary(error: BaseException) -> str:
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    # What derives from ValueError as well is an error about a value.
    if isinstance(error, _TOLD) and not isinstance(error, ValueError):
        return f"{name}: {str(error)[:MAX_MESSAGE]}"
    known = {one: getattr(error, one, None) for one in _ATTRIBUTES}
    attributes = ", ".join(f"{one}={value}" for one, value in known.items() if isinstance(value, (str, int)))
    return f"{name} ({attributes})" if attributes else name
