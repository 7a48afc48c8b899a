"""The probes, the metrics and the request log."""

import asyncio
from typing import Any

import httpx
from pymongo import AsyncMongoClient

from app.core.settings import Settings


async def test_a_service_with_all_backends_is_ready(client: httpx.AsyncClient) -> None:
    assert (await client.get("/healthz")).json() == {"status": "ok"}
    ready = await client.get("/readyz")
    assert (ready.status_code, ready.json()["status"]) == (200, "ok")


async def test_metrics_count_the_requests_of_each_route(client: httpx.AsyncClient) -> None:
    await client.get("/v1/notes")
    async with asyncio.timeout(10):
        while 'route="/v1/notes"' not in (await client.get("/metrics")).text:
            await asyncio.sleep(0.05)


async def test_a_request_is_recorded_in_mongodb(client: httpx.AsyncClient, settings: Settings) -> None:
    request_id = (await client.get("/v1/notes")).headers["X-Request-ID"]
    async with AsyncMongoClient[dict[str, Any]](settings.mongo_url.get_secret_value()) as mongo:
        log = mongo.get_default_database()["request_logs"]
        async with asyncio.timeout(10):
            while (record := await log.find_one({"request_id": request_id})) is None:
                await asyncio.sleep(0.05)
    assert record["status"] == 200
    assert record["meta"]["route"] == "/v1/notes"


async def test_an_unknown_path_is_a_problem_document(client: httpx.AsyncClient) -> None:
    missing = await client.get("/v1/unknown")
    assert (missing.status_code, missing.json()["type"]) == (404, "/problems/not-found")
