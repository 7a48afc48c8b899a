"""What one request cost the backends: the layers below add to it, the request's record tells it.

It lives here because the database layer may import nothing of telemetry.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Tally:
    """Counters of one request; `statement_seconds` is the time the SQL statements took, added up."""

    __slots__ = ("cache_hits", "cache_misses", "statement_seconds", "statements")

    def __init__(self) -> None:
        self.statements = 0
        self.statement_seconds = 0.0
        self.cache_hits = 0
        self.cache_misses = 0


_current: ContextVar[Tally | None] = ContextVar("tally", default=None)


@contextmanager
def tallied() -> Iterator[Tally]:
    """Count what happens in the block, tasks that it starts included."""
    tally = Tally()
    token = _current.set(tally)
    try:
        yield tally
    finally:
        _current.reset(token)


def count_statement(seconds: float) -> None:
    """Add one SQL statement to the request that runs it; outside of a request it does nothing."""
    if tally := _current.get():
        tally.statements += 1
        tally.statement_seconds += seconds


def count_cache(*, hit: bool) -> None:
    """Add one cache look-up to the request that makes it; outside of a request it does nothing."""
    if tally := _current.get():
        if hit:
            tally.cache_hits += 1
        else:
            tally.cache_misses += 1
