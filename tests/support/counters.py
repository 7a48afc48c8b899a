"""Counters of the SQL statements and cache lookups of a block of code."""

from collections.abc import Iterator
from contextlib import contextmanager

from app.core.observability.request_counters import RequestCounters, current_counters


@contextmanager
def tallied() -> Iterator[RequestCounters]:
    """Count the work of the block and of the tasks that it starts."""
    counters = RequestCounters()
    token = current_counters.set(counters)
    yield counters
    current_counters.reset(token)
