import random
from collections import Counter
from collections.abc import Callable

import pytest

from app.telemetry.metrics.latency_histogram import LAST_BUCKET, bucket_of, percentile, slowest_bound


def _exact(values: list[float], percent: float) -> float:
    return sorted(values)[-(-len(values) * int(percent) // 100) - 1]


@pytest.mark.parametrize("percent", [50, 95, 99])
@pytest.mark.parametrize("shape", ["lognormal", "uniform", "bimodal", "exponential"])
def test_merged_histograms_of_four_workers_are_within_five_percent(shape: str, percent: float) -> None:
    rng = random.Random(f"{shape}{percent}")
    shapes: dict[str, Callable[[], float]] = {
        "lognormal": lambda: rng.lognormvariate(1, 1.5),
        "uniform": lambda: rng.uniform(0.1, 5000),
        "bimodal": lambda: rng.gauss(2, 0.1) if rng.random() < 0.9 else rng.gauss(900, 50),
        "exponential": lambda: rng.expovariate(0.02) + 0.06,
    }
    draw = shapes[shape]
    workers = [[draw() for _ in range(rng.randrange(200, 3000))] for _ in range(4)]
    merged: Counter[int] = Counter()
    for values in workers:
        merged.update(bucket_of(value) for value in values)
    estimate = percentile(merged, percent)
    assert estimate == pytest.approx(_exact([value for values in workers for value in values], percent), rel=0.05)


def test_bounds() -> None:
    assert bucket_of(0) == bucket_of(-1) == 0
    assert bucket_of(1e12) == LAST_BUCKET
    assert percentile({}, 99) is None


@pytest.mark.parametrize("count", [1, 12, 500])
def test_the_slowest_are_those_above_a_bound(count: int) -> None:
    rng = random.Random(count)
    values = [rng.lognormvariate(1, 1.5) for _ in range(2000)]
    bound = slowest_bound(Counter(bucket_of(value) for value in values), count)
    above = sum(value >= bound for value in values)
    # At most those of one bucket more.
    fullest = Counter(bucket_of(value) for value in values).most_common(1)[0][1]
    assert count <= above <= count + fullest
    assert slowest_bound(Counter(map(bucket_of, values)), 2001) == 0
    assert slowest_bound({}, 1) == 0
