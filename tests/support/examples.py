"""The number of Hypothesis examples, in proportion to the profile of the run."""

from hypothesis import settings

UNIT_PROFILE, SHORT_PROFILE = "unit", "short"
# Of `make test-unit` and `make test`. A run of the slow tests has the 100 examples that Hypothesis has by default.
settings.register_profile(UNIT_PROFILE, max_examples=10)
settings.register_profile(SHORT_PROFILE, max_examples=30)


def examples(factor: int) -> settings:
    """Return settings with `factor` times the number of examples of the profile, and no deadline."""
    return settings(max_examples=factor * settings().max_examples, deadline=None)
