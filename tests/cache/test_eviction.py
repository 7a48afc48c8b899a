"""A full Redis evicts cached responses and keeps the rate limits."""

import os

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from app.cache.script_runner import ScriptRunner
from app.core.errors import TooManyRequests
from app.core.rate_limit import Rate
from app.core.settings import Settings
from app.ratelimit.rate_limiter import Charge, RateLimiter
from tests.cache.conftest import OwnRedis
from tests.support.paths import ROOT

RESPONSE_BYTES = 58_000


async def test_f11_a_full_redis_keeps_the_rate_limits(
    own_redis: OwnRedis, own_client: Redis, own_settings: Settings
) -> None:
    policy = await own_client.config_get("maxmemory*")
    assert policy["maxmemory-policy"] == "volatile-ttl"
    assert 0 < int(policy["maxmemory"] or 0) <= 1 << 30
    scripts = ScriptRunner(own_settings.model_copy(update={"redis_url": SecretStr(own_redis.url)}))
    limits, charge = RateLimiter(scripts, "secret"), Charge("an account", Rate(1, 60))
    await limits.charge([charge])
    used = (await own_client.info("memory"))["used_memory"]
    await own_client.config_set("maxmemory", used + 4_000_000)
    try:
        for number in range(300):
            await own_client.set(f"response:{number}", os.urandom(RESPONSE_BYTES), ex=own_settings.cache_ttl_seconds)
    finally:
        await own_client.config_set("maxmemory", policy["maxmemory"] or "0")
    assert (await own_client.info("stats"))["evicted_keys"] > 100
    with pytest.raises(TooManyRequests):
        await limits.charge([charge])
    await scripts.close()


def test_f11_the_containers_have_the_same_limit() -> None:
    command = next(line for line in (ROOT / "docker-compose.yml").read_text().splitlines() if "redis-server" in line)
    assert '"--maxmemory", "256mb", "--maxmemory-policy", "volatile-ttl"' in command
