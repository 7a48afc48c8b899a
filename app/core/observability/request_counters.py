"""Counters of one request: the database and the cache add to them, and they are part of the request's record.

They are in `core` because the database layer must not import telemetry.
"""

from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from app.core.observability.client_spans import ClientSpans

_SQL_SPAN = {"db.system.name": "postgresql"}


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


class RequestCounters:
    """Counters of one request; `statement_seconds` is the total time of its SQL statements."""

    __slots__ = ("cache_hits", "cache_misses", "client_spans", "search_trace", "statement_seconds", "statements")

    def __init__(self) -> None:
        self.statements = 0
        self.statement_seconds = 0.0
        self.cache_hits = 0
        self.cache_misses = 0
        self.search_trace: list[SearchStep] = []
        # None if no traces are exported.
        self.client_spans: ClientSpans | None = None


current_counters: ContextVar[RequestCounters | None] = ContextVar("counters", default=None)


def count_statement(seconds: float) -> None:
    """Count one SQL statement of the current request; without effect outside of a request."""
    if counters := current_counters.get():
        counters.statements += 1
        counters.statement_seconds += seconds
        if counters.client_spans is not None:
            counters.client_spans.add_finished("postgresql", seconds, _SQL_SPAN)


def count_cache(*, hit: bool) -> None:
    """Count one cache lookup of the current request; without effect outside of a request."""
    if counters := current_counters.get():
        if hit:
            counters.cache_hits += 1
        else:
            counters.cache_misses += 1


def count_search_step(step: SearchStep) -> None:
    """Add one step to the search trace of the request; without effect outside of a request."""
    if counters := current_counters.get():
        counters.search_trace.append(step)
