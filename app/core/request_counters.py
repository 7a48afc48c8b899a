"""What one request cost the backends: the layers below add to it, the request's record tells it.

It lives here because the database layer may import nothing of telemetry.
"""

from contextvars import ContextVar
from typing import NamedTuple


class SearchStep(NamedTuple):
    """One step of a search: the strategy, the reason of the choice, the estimate, and the result.

    `cost` is in microseconds, as the cost model expects it; `expected_rows` is None before the first estimate.
    """

    strategy: str
    reason: str
    expected_rows: float | None
    cost: float
    max_rows: int
    returned_rows: int
    milliseconds: float


class Tally:
    """Counters of one request; `statement_seconds` is the time the SQL statements took, added up."""

    __slots__ = ("cache_hits", "cache_misses", "search_trace", "statement_seconds", "statements")

    def __init__(self) -> None:
        self.statements = 0
        self.statement_seconds = 0.0
        self.cache_hits = 0
        self.cache_misses = 0
        self.search_trace: list[SearchStep] = []


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


def count_search_step(step: SearchStep) -> None:
    """Add one step to the search trace of the request; without effect outside of a request."""
    if tally := current_tally.get():
        tally.search_trace.append(step)
