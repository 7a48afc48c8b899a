"""The number of Hypothesis examples, in proportion to the profile of the run."""

from hypothesis import settings

# Of `make test-unit`, `make test` and a run of the slow tests. On a loaded machine, any example can take long.
UNIT_PROFILE, SHORT_PROFILE, FULL_PROFILE = "unit", "short", "full"
for name, number in ((UNIT_PROFILE, 10), (SHORT_PROFILE, 30), (FULL_PROFILE, 100)):
    settings.register_profile(name, max_examples=number, deadline=None)


def examples(factor: int) -> settings:
    """Return settings with `factor` times the number of examples of the profile, and no deadline."""
    return settings(max_examples=factor * settings().max_examples, deadline=None)
