"""Responses of the cache and those of the application behind it are recorded with their route."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from pymongo.database import Database

from app.core.settings import Settings
from tests.support.processes import service_process
from tests.telemetry.records import until

pytestmark = pytest.mark.integration

REQUESTS = [
    ("GET", "/v1/tags?limit=1", 200, "/v1/tags"),
    ("GET", "/v1/tags?limit=1", 200, "/v1/tags"),
    ("HEAD", "/v1/tags?limit=1", 200, "/v1/tags"),
    ("GET", "/v1/tags?limit=0", 422, "/v1/tags"),
    ("GET", "/v1/tags/nothing", 404, "/v1/tags/{name}"),
    ("GET", "/v1/nothing", 404, "unmatched"),
]


@pytest.mark.timeout(60)
async def test_cached_responses_are_recorded_with_their_routes(
    settings: Settings, mongo_url: str, mongo: Database[dict[str, Any]], tmp_path: Path
) -> None:
    changed = {"cache_enabled": True, "mongo_url": SecretStr(mongo_url), "telemetry_spill_dir": tmp_path / "wal"}
    with service_process(settings.model_copy(update=changed | {"telemetry_flush_seconds": 0.1})) as service:
        async with httpx.AsyncClient(base_url=service.url, timeout=30) as client:
            while mongo.request_logs.count_documents({"cache_hits": 1}) == 0:  # it opens a moment after the start
                await client.get("/v1/tags?limit=1")
            for number, (method, path, _, _) in enumerate(REQUESTS):
                await client.request(method, path, headers={"X-Request-ID": f"asked-{number}"})
        ids = [f"asked-{number}" for number in range(len(REQUESTS))]
        await until(lambda: mongo.request_logs.count_documents({"request_id": {"$in": ids}}) == len(REQUESTS), 30)
    found = {one["request_id"]: one for one in mongo.request_logs.find()}
    recorded = [(found[name]["meta"]["method"], found[name]["status"], found[name]["meta"]["route"]) for name in ids]
    assert recorded == [(method, status, route) for method, _, status, route in REQUESTS]
    assert {one["meta"]["route"] for one in found.values() if one["cache_hits"]} == {"/v1/tags"}
