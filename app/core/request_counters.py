"""What one request cost the backends: the layers below add to it, the request's record tells it.

It lives here because the database layer may import nothing of telemetry.
"""

from contextvars import ContextVar


class Tally:
    """Counters of one request; `statement_seconds` is the time the SQL statements took, added up."""

    __slots__ = ("cache_hits", "cache_misses", "statement_seconds", "statements")

    def __init__(self) -> None:
        self.statements = 0
        self.statement_seconds = 0.0
        self.cache_hits = 0
        self.cache_misses = 0


current_tally: ContextVar[Tally | None] = ContextVar("tally", default=None)


def count_statement(seconds: float) -> None:
    """Add one SQL statement to the request that runs it; outside of a request it does nothing."""
    if tally := current_tally.get():
        tally.statements += 1
        tally.statement_seconds += seconds


def count_cache(*, hit: bool) -> None:
    """Add one cache look-up to the request that makes it; outside of a request it does nothing."""
    if tally := current_tally.get():
        if hit:
            tally.cache_hits += 1
        else:
            tally.cache_misses += 1
