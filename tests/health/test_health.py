import re

import httpx
import pytest

pytestmark = pytest.mark.integration


async def test_healthz_is_200(client: httpx.AsyncClient) -> None:
    response = await client.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


async def test_readiness_reports_each_backend(client: httpx.AsyncClient) -> None:
    response = await client.get("/readyz")
    assert response.status_code == 200
    readiness = response.json()
    assert readiness["status"] == "ok"
    assert set(readiness["dependencies"]) == {"postgres", "object_store", "mongo", "redis"}
    for dependency in readiness["dependencies"].values():
        assert dependency["status"] == "up"
        assert dependency["latency_ms"] > 0


async def test_documentation_is_served(client: httpx.AsyncClient) -> None:
    for path in ("/docs", "/redoc"):
        response = await client.get(path)
        assert response.headers["content-type"].startswith("text/html")
        sources = re.findall(r'(?:src|href)="([^"]+)"', response.text)
        assert sources
        for source in sources:
            assert source.startswith("/"), "a foreign host is asked"
            assert (await client.get(source)).status_code == 200
    document = (await client.get("/openapi.json")).json()
    assert "/v1/images" in document["paths"]
