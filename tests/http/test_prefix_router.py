"""The router class of the API gives the same responses as FastAPI's own, with fewer comparisons."""

from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import Scope

from app.http.prefix_router import API_PREFIX, PrefixRouter
from tests.support.openapi import APP

pytestmark = pytest.mark.integration

PATHS = [
    "/v1/images",
    "/v1/images/7",
    "/v1/images/7/",
    "/v1/imagesx",
    "/v1/image",
    "/v1",
    "/images",
    "/healthz",
    "/v1/x",
]


class CountingRoute(APIRoute):
    """Counts the paths that are compared with it."""

    compared = 0

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        CountingRoute.compared += 1
        return super().matches(scope)


def application(router_class: type[APIRouter]) -> FastAPI:
    router = router_class(prefix="/images", route_class=CountingRoute)
    for number in range(10):
        router.add_api_route(f"/{{name}}/{number}", lambda name: name, methods=["GET"])
    router.add_api_route("", lambda: "list", methods=["GET"])
    router.add_api_route("/{name}", lambda name: name, methods=["GET"])
    app = FastAPI(redirect_slashes=False)
    app.include_router(router, prefix=API_PREFIX)
    app.add_api_route("/healthz", lambda: "ok", methods=["GET"])
    return app


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("root_path", ["", "/proxied"])
async def test_the_responses_are_those_of_the_router_of_fastapi(path: str, root_path: str) -> None:
    responses = []
    for router_class in (PrefixRouter, APIRouter):
        transport = httpx.ASGITransport(application(router_class), root_path=root_path)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            for method in ("GET", "DELETE"):
                response = await client.request(method, root_path + path)
                responses.append((response.status_code, response.headers.get("allow"), response.text))
    assert responses[:2] == responses[2:]


async def test_paths_of_other_resources_are_compared_with_no_route() -> None:
    transport = httpx.ASGITransport(application(PrefixRouter))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        CountingRoute.compared = 0
        assert (await client.get("/healthz")).status_code == 200
        assert CountingRoute.compared == 0
        assert (await client.get("/v1/images")).status_code == 200
        assert CountingRoute.compared > 0


def test_all_routers_of_the_api_have_the_class() -> None:
    # FastAPI keeps the included routers as routes.
    included: list[Any] = [route for route in APP.routes if hasattr(route, "include_context")]
    versioned = [route.original_router for route in included if route.include_context.prefix == API_PREFIX]
    assert len(versioned) > 10
    assert all(isinstance(router, PrefixRouter) for router in versioned)
