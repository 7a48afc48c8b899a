"""The scripts of the rate limiter survive a restart of Redis."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from app.cache.redis_client import CacheUnavailable
from app.cache.script_runner import ScriptRunner
from app.core.settings import Settings
from tests.cache.conftest import OwnRedis

pytestmark = pytest.mark.integration
COUNT = "return tostring(redis.call('INCRBY', KEYS[1], ARGV[1]))"


@pytest.fixture
async def scripts(own_redis: OwnRedis, own_settings: Settings) -> AsyncIterator[ScriptRunner]:
    runner = ScriptRunner(own_settings.model_copy(update={"redis_url": SecretStr(own_redis.url)}))
    yield runner
    await runner.close()


async def test_concurrent_scripts_run_once_each(scripts: ScriptRunner, own_client: Redis) -> None:
    replies = await asyncio.gather(*(scripts.run(COUNT, ["at once"], [1]) for _ in range(20)))
    assert sorted(map(int, replies)) == list(range(1, 21))
    assert await own_client.get("at once") == b"20"


async def test_a_script_that_the_server_has_lost_is_loaded_again(scripts: ScriptRunner, own_client: Redis) -> None:
    assert await scripts.run(COUNT, ["lost"], [1]) == "1"
    await own_client.script_flush()
    assert await scripts.run(COUNT, ["lost"], [1]) == "2"


async def test_a_lost_connection_is_replaced(scripts: ScriptRunner, own_client: Redis) -> None:
    assert await scripts.run(COUNT, ["cut"], [1]) == "1"
    await own_client.client_kill_filter(_type="normal", skipme=True)
    assert await scripts.run(COUNT, ["cut"], [1]) == "2"


async def test_a_refused_script_and_a_missing_server_are_unavailable(
    scripts: ScriptRunner, own_settings: Settings
) -> None:
    with pytest.raises(CacheUnavailable):
        await scripts.run("return redis.call('NO SUCH COMMAND')", ["refused"], [])
    assert await scripts.run(COUNT, ["refused"], [1]) == "1"
    missing = ScriptRunner(own_settings.model_copy(update={"redis_url": SecretStr("redis://127.0.0.1:9/0")}))
    with pytest.raises(CacheUnavailable):
        await missing.run(COUNT, ["missing"], [1])
    await missing.close()
