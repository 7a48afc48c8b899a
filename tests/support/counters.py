"""What a piece of code costs the backends."""

from collections.abc import Iterator
from contextlib import contextmanager

from app.core.request_counters import Tally, current_tally


@contextmanager
def tallied() -> Iterator[Tally]:
    """Count what happens in the block, tasks that it starts included."""
    tally = Tally()
    token = current_tally.set(tally)
    yield tally
    current_tally.reset(token)
