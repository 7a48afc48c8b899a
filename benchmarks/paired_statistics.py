"""Statistics of a paired experiment: the differences between kinds of turns, with confidence intervals.

A turn is a short measurement of one kind, such as "with the recorder". A block has turns of every kind, close together
in time and in a symmetric order, so that a drift of the machine cancels out. A result is the median over the blocks of
the ratio within each block. p99 is the one of all latencies of a kind together. Intervals: 95 %, by the percentile
bootstrap over blocks (Efron, Tibshirani: "An Introduction to the Bootstrap", 1993, section 13.3).
"""

import math
import random
import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

T = TypeVar("T")

RESAMPLES = 1000
# Latencies are rounded to half a percent, far below the precision of the report.
_STEP = math.log(1.005)


class Turn(NamedTuple):
    """Requests of one kind, one after the other.

    `processor`: seconds of processor time of the service for all `requests`. `completed` of them ended within the
    measured `seconds`, with these `latencies` (steps of half a percent above a microsecond).
    """

    requests: int
    processor: float
    completed: int
    seconds: float
    latencies: Counter[int]
    failures: int

    def plus(self, other: "Turn") -> "Turn":
        """Return the sum of both."""
        return Turn(
            self.requests + other.requests,
            self.processor + other.processor,
            self.completed + other.completed,
            self.seconds + other.seconds,
            self.latencies + other.latencies,
            self.failures + other.failures,
        )


Block = Mapping[str, Turn]


class Estimate(NamedTuple):
    """An estimate with its confidence interval."""

    value: float
    low: float
    high: float

    def within(self, limit: float) -> str:
        """Return whether it is at most `limit`, or `open` if the interval does not decide."""
        if self.low <= limit < self.high:
            return "open"
        return "met" if self.value <= limit else "missed"


def steps_of(latencies: Sequence[float]) -> Counter[int]:
    """Return the latencies (in seconds) as steps, as Turn has them."""
    return Counter(int(math.log(max(1.0, seconds * 1e6)) / _STEP) for seconds in latencies)


def p99_of(steps: Counter[int]) -> float:
    """Return the 99th percentile in seconds."""
    rank = math.ceil(steps.total() * 0.99)
    for step in sorted(steps):
        rank -= steps[step]
        if rank <= 0:
            return math.exp((step + 0.5) * _STEP) / 1e6
    return math.nan


def throughput(turn: Turn) -> float:
    """Return the requests per second."""
    return turn.completed / turn.seconds


def processor_us(turn: Turn) -> float:
    """Return the processor time of the service for a request, in microseconds."""
    return turn.processor / turn.requests * 1e6


def median_change(blocks: Sequence[Block], kind: str, of: Callable[[Turn], float]) -> Estimate:
    """Return the relative change of a measure from `bare` to a kind."""
    changes = [of(block[kind]) / of(block["bare"]) - 1 for block in blocks]
    return _estimate(changes, statistics.median)


def median_difference(blocks: Sequence[Block], kind: str, of: Callable[[Turn], float]) -> Estimate:
    """Return the absolute change of a measure from `bare` to a kind."""
    return _estimate([of(block[kind]) - of(block["bare"]) for block in blocks], statistics.median)


def median_of(values: Sequence[float]) -> Estimate:
    """Return the median."""
    return _estimate(values, statistics.median)


def p99_change(blocks: Sequence[Block], kind: str) -> Estimate:
    """Return the relative change of the p99 from `bare` to a kind."""

    def change(some: Sequence[Block]) -> float:
        return pooled_p99(some, kind) / pooled_p99(some, "bare") - 1

    return _estimate(blocks, change)


def pooled_p99(blocks: Sequence[Block], kind: str) -> float:
    """Return the p99 in seconds of all turns of a kind."""
    pool: Counter[int] = Counter()
    for block in blocks:
        pool.update(block[kind].latencies)
    return p99_of(pool)


def _estimate(sample: Sequence[T], statistic: Callable[[Sequence[T]], float]) -> Estimate:
    rng = random.Random(1)
    resampled = sorted(statistic(rng.choices(sample, k=len(sample))) for _ in range(RESAMPLES))
    low, high = resampled[int(RESAMPLES * 0.025)], resampled[int(RESAMPLES * 0.975)]
    return Estimate(statistic(sample), low, high)
