"""A histogram of durations with the buckets of `/metrics`."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)


@dataclass(slots=True)
class DurationHistogram:
    """A count for each of BOUNDS and one above, and the sum in seconds."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    seconds: float = 0.0

    @property
    def count(self) -> int:
        """The number of durations."""
        return sum(self.counts)

    def observe(self, seconds: float) -> None:
        """Add a duration."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.seconds += seconds

    def merge(self, counts: Sequence[int], seconds: float) -> None:
        """Add another histogram."""
        self.counts = [mine + theirs for mine, theirs in zip(self.counts, counts, strict=True)]
        self.seconds += seconds

    def quantile(self, share: float) -> float | None:
        """Return an estimate in seconds, by linear interpolation within a bucket; None for an empty histogram.

        It is the method of `histogram_quantile` in Prometheus. Above the last bound, the result is that bound.
        """
        rank = share * self.count
        if not rank:
            return None
        below = 0
        for (low, high), count in zip(pairwise((0.0, *BOUNDS)), self.counts, strict=False):
            if count and below + count >= rank:
                return low + (high - low) * (rank - below) / count
            below += count
        return BOUNDS[-1]

    def buckets(self) -> list[tuple[str, float]]:
        """Return the upper bounds and the cumulative counts, as Prometheus has them."""
        return list(zip((*map(str, BOUNDS), "+Inf"), map(float, accumulate(self.counts)), strict=True))
