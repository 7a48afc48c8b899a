"""Each backend down at the start of the service: it reports that, and recovers when the backend comes up."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from app.core.settings import Settings
from devstack import Stack
from tests.faults.conftest import kill, wait_until_well
from tests.support.photos import png
from tests.support.server import running_service

WITHIN_SECONDS = 20
CREDENTIALS = {"email": "ada@example.com", "password": "nine lives on the sofa"}


async def readiness(client: httpx.AsyncClient) -> tuple[int, dict[str, Any]]:
    response = await client.get("/readyz")
    return response.status_code, response.json()


@pytest.mark.parametrize(
    ("backend", "status", "overall"),
    [
        ("postgres", 503, "unavailable"),
        ("object_store", 503, "unavailable"),
        ("mongo", 200, "degraded"),
        ("redis", 200, "degraded"),
    ],
)
async def test_the_service_starts_reports_the_backend_and_recovers(
    own_stack: Stack,
    own_settings: Settings,
    revive: Callable[[], None],
    capfd: pytest.CaptureFixture[str],
    backend: str,
    status: int,
    overall: str,
) -> None:
    kill(own_stack, backend)
    async with running_service(own_settings) as service, httpx.AsyncClient(base_url=service.url, timeout=30) as client:
        code, report = await readiness(client)
        assert (code, report["status"]) == (status, overall)
        down = [name for name, dependency in report["dependencies"].items() if dependency["status"] == "down"]
        assert down == [backend]
        await list_in_time(client, expected=503 if backend == "postgres" else 200)

        printed = ""
        async with asyncio.timeout(10):
            while f"backend={backend}" not in printed:
                await asyncio.sleep(0.05)
                printed += capfd.readouterr().out

        revive()
        await wait_until_well(client)
        await main_job_works(client, f"{backend}.png")


async def list_in_time(client: httpx.AsyncClient, expected: int) -> None:
    started = time.perf_counter()
    response = await client.get("/v1/images")
    assert time.perf_counter() - started < WITHIN_SECONDS
    assert response.status_code == expected
    if expected == 503:
        assert response.json()["type"] == "/problems/database-unavailable"
        assert int(response.headers["retry-after"]) > 0


async def main_job_works(client: httpx.AsyncClient, name: str) -> None:
    await client.post("/v1/users", json=CREDENTIALS)
    form = {"grant_type": "password", "username": CREDENTIALS["email"], "password": CREDENTIALS["password"]}
    token = (await client.post("/v1/auth/token", data=form)).json()["access_token"]
    client.headers["Authorization"] = f"Bearer {token}"
    photo = png()
    uploaded = await client.post("/v1/images", files={"image": (name, photo)})
    assert uploaded.status_code == 201, uploaded.text
    assert (await client.get(uploaded.json()["links"]["content"])).content == photo
