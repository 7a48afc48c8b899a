import pytest

from app.core.observability.duration_histogram import BOUNDS, DurationHistogram

pytestmark = pytest.mark.unit


def test_a_quantile_is_interpolated_within_its_bucket() -> None:
    histogram = DurationHistogram()
    for _ in range(10):
        histogram.observe(0.06)
    for _ in range(10):
        histogram.observe(0.7)
    # Ten durations in (0.05, 0.1] and ten in (0.5, 1].
    assert histogram.quantile(0.25) == pytest.approx(0.075)
    assert histogram.quantile(0.5) == pytest.approx(0.1)
    assert histogram.quantile(0.95) == pytest.approx(0.95)
    assert histogram.count == 20
    assert histogram.seconds == pytest.approx(7.6)


def test_a_bound_belongs_to_its_own_bucket() -> None:
    histogram = DurationHistogram()
    histogram.observe(BOUNDS[0])
    assert histogram.buckets()[0] == ("0.005", 1)


def test_quantiles_at_the_ends() -> None:
    histogram = DurationHistogram()
    assert histogram.quantile(0.99) is None
    histogram.observe(3600)
    assert histogram.quantile(0.99) == BOUNDS[-1]
    assert histogram.buckets()[-1] == ("+Inf", 1)
