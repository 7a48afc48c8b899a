import asyncio
import re

import httpx

from app import VERSION
from app.telemetry.request_record import series_of


async def _metrics_with(client: httpx.AsyncClient, pattern: str) -> str:
    """Return the metrics once a line matches: requests are counted a moment after their response."""
    async with asyncio.timeout(30):
        while not re.search(pattern, text := (await client.get("/metrics")).text, re.MULTILINE):
            await asyncio.sleep(0.05)
    return text


async def test_f86_the_schema_and_mounts_have_routes(client: httpx.AsyncClient) -> None:
    assert (await client.get("/openapi.json")).is_success
    page = (await client.get("/docs")).text
    assets = re.findall(r'(?:src|href)="(/[^"?]+)', page)
    for asset in assets:
        await client.get(asset)
    await client.get("/no-such-path")
    text = await _metrics_with(client, r'requests_total.*route="unmatched",status_class="4xx"')
    routes = set(re.findall(r'requests_total{method="GET",route="([^"]+)"', text))
    assert {"/openapi.json", "/docs"} <= routes
    assert assets
    assert not re.search(r'route="unmatched",status_class="[1235]xx"', text)


def test_f86_unmatched_is_404_only() -> None:
    assert {status for status in range(100, 600) if series_of("GET", "unmatched", status)[1] == "unmatched"} == {404}


async def test_f88_metrics_tell_the_build_and_the_process(client: httpx.AsyncClient) -> None:
    text = await _metrics_with(client, r'^imts_http_request_duration_seconds_bucket.*le="300\.0"')
    assert re.search(rf'^imts_build_info{{.*version="{re.escape(VERSION)}"}} 1\.0$', text, re.MULTILINE)
    for name in ("process_resident_memory_bytes", "process_open_fds", "process_threads", "process_cpu_seconds_total"):
        value = re.search(rf"^{name} ([\d.e+]+)$", text, re.MULTILINE)
        assert value is not None, name
        assert float(value[1]) > 0, name
