"""`/metrics` reports an open circuit breaker of PostgreSQL. tests/cache has the tests of the breaker of Redis."""

import asyncio
import uuid
from pathlib import Path

import httpx
from pydantic import SecretStr

from app.core.settings import Settings
from tests.support.server import running_service
from tests.support.tcp_proxy import fault_proxy

PATIENCE_SECONDS = 40


async def _wait_for_breaker(client: httpx.AsyncClient, *, is_open: bool) -> None:
    """Send requests that need the database until the metric has the value."""
    line = f"imts_postgres_breaker_open {float(is_open)}"
    async with asyncio.timeout(PATIENCE_SECONDS):
        while line not in (await client.get("/metrics")).text.splitlines():
            await client.get("/v1/tags", params={"prefix": uuid.uuid4().hex})
            await asyncio.sleep(0.02)


async def test_an_open_breaker_of_the_database_is_reported(settings: Settings, tmp_path: Path) -> None:
    url = settings.database_url.get_secret_value()
    address = url.partition("://")[2].rpartition("@")[2].partition("/")[0]
    async with fault_proxy(address) as proxy:
        own = {
            "database_url": SecretStr(url.replace(address, proxy.address)),
            "telemetry_spill_dir": tmp_path,
        }
        proxied = Settings.model_validate({**settings.model_dump(), **own})
        async with running_service(proxied) as service, httpx.AsyncClient(base_url=service.url, timeout=30) as client:
            await _wait_for_breaker(client, is_open=False)
            proxy.set(black_hole=True)
            await _wait_for_breaker(client, is_open=True)
            proxy.set()
            # The data in transit is lost.
            proxy.cut()
            await _wait_for_breaker(client, is_open=False)
