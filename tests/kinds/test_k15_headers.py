"""K15: headers that the contract promises, on every route of the application."""

import re
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from app.core.settings import Settings
from tests.http.problem_documents import problem
from tests.support.accounts import Account
from tests.support.server import RunningService, running_service

pytestmark = pytest.mark.integration

ORIGIN = "https://page.example"
TRACING = ("traceparent", "tracestate", "X-Request-ID", "Authorization", "Content-Type")
CONDITIONAL = ("If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range", "Range")


def paths_and_methods(app: FastAPI) -> Iterator[tuple[str, str]]:
    """Return each method of each route, with ids that do not exist."""
    for route in iter_route_contexts(app.routes):
        path = re.sub(r"\{\w*id\}", str(uuid.UUID(int=1)), route.path_format or "")
        for method in sorted(route.methods or {"GET"}):
            yield method, re.sub(r"\{\w+\}", "some", path)


@pytest.fixture
async def shared(settings: Settings, service: RunningService) -> AsyncIterator[httpx.AsyncClient]:  # noqa: ARG001
    """A client of a service that accepts requests from pages of ORIGIN."""
    own = settings.model_copy(update={"cors_origins": [ORIGIN]})
    async with running_service(own) as running, httpx.AsyncClient(base_url=running.url) as client:
        yield client


def declared_headers(document: dict[str, Any]) -> set[str]:
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    parameters = [one for operation in operations for one in operation.get("parameters", ())]
    shared = document["components"]["parameters"].values()
    return {one["name"] for one in (*parameters, *shared) if one.get("in") == "header"}


async def test_f38_k15_a_preflight_allows_each_declared_header(shared: httpx.AsyncClient) -> None:
    document = (await shared.get("/openapi.json")).json()
    declared = declared_headers(document)
    assert "Idempotency-Key" in declared
    for name in sorted({*declared, *TRACING, *CONDITIONAL}):
        for method in ("GET", "PUT", "PATCH", "DELETE"):
            preflight = {"Origin": ORIGIN, "Access-Control-Request-Method": method}
            response = await shared.options("/v1/images", headers={**preflight, "Access-Control-Request-Headers": name})
            assert response.status_code == 200, (name, method, response.text)
            assert response.headers["access-control-allow-origin"] == ORIGIN


async def test_f38_k15_each_declared_response_header_is_exposed(shared: httpx.AsyncClient) -> None:
    document = (await shared.get("/openapi.json")).json()
    response = await shared.get("/v1/images", headers={"Origin": ORIGIN})
    exposed = set(response.headers["access-control-expose-headers"].split(", "))
    assert not {*document["components"]["headers"], "Allow", "X-Request-ID"} - exposed


async def test_f38_a_refused_preflight_is_a_problem(shared: httpx.AsyncClient) -> None:
    for origin, name in ((ORIGIN, "X-Unknown"), ("https://evil.example", "Authorization")):
        preflight = {"Origin": origin, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": name}
        problem(await shared.options("/v1/images", headers=preflight), 400, "bad-request")


async def test_k15_every_response_has_the_general_headers(service: RunningService, user: Account) -> None:
    for method, path in paths_and_methods(service.app):
        response = await user.client.request(method, path)
        where = (method, path, response.status_code)
        assert response.status_code < 500 or response.status_code == 503, where
        assert response.headers["x-content-type-options"] == "nosniff", where
        assert response.headers["x-request-id"], where
        if response.headers.get("content-type", "").startswith("text/html"):
            policy = response.headers.get("content-security-policy", "")
            assert "default-src 'none'" in policy, where
            assert "frame-ancestors 'none'" in policy, where
            assert response.headers.get("cache-control"), where
        if path.startswith(("/v1/auth/", "/v1/users")):
            assert response.headers.get("cache-control"), where
