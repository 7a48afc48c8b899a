"""The quota that the response of a cached page reports."""

from collections.abc import Callable, Sequence

from app.cache.script_runner import ScriptRunner
from app.core.rate_limit import Rate
from app.core.settings import Settings
from app.ratelimit.rate_limiter import Charge, RateLimiter
from app.ratelimit.request_quota import Quotas

NO_REDIS = "redis://127.0.0.1:9/0"
ACCOUNT, TOTAL = Charge("search account 1", Rate(60, 3600)), Charge("search total", Rate(1000, 3600))


async def test_a_charge_changes_the_report_and_a_report_does_not(make_settings: Callable[..., Settings]) -> None:
    scripts = ScriptRunner(make_settings(redis_url=NO_REDIS))
    limits = RateLimiter(scripts, "s" * 40)

    def reported(*charges: Charge) -> tuple[str, int, int]:
        with Quotas() as quotas:
            limits.report(charges, lambda: charges)
        assert quotas.most_restrictive
        return quotas.most_restrictive.policy, quotas.most_restrictive.limit, quotas.most_restrictive.remaining

    try:
        for used in range(3):
            for _ in range(3):
                assert reported(ACCOUNT, TOTAL) == ("search", 60, 60 - used)
                assert reported(TOTAL) == ("search", 1000, 1000 - used)
            await limits.charge([ACCOUNT, TOTAL])
    finally:
        await scripts.close()


async def test_reports_of_the_same_second_are_made_once(make_settings: Callable[..., Settings]) -> None:
    scripts = ScriptRunner(make_settings(redis_url=NO_REDIS))
    limits = RateLimiter(scripts, "s" * 40)
    made = 0

    def charges() -> Sequence[Charge]:
        nonlocal made
        made += 1
        return [ACCOUNT, TOTAL]

    try:
        for _ in range(1000):
            limits.report("caller", charges)
        assert made < 100
    finally:
        await scripts.close()
