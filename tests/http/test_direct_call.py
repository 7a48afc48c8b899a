"""Simple endpoints give the same responses with and without FastAPI's resolution of dependencies."""

from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any
from uuid import UUID

import httpx
import pytest
from fastapi import Depends, FastAPI, Header, Query, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi.routing import APIRoute

from app.core.errors import ValidationFailed
from app.http.requests.direct_call import is_simple
from app.http.requests.strict_route import StrictRoute

pytestmark = pytest.mark.integration

IMAGE = "/images/00000000-0000-0000-0000-000000000001"
TARGETS = [
    f"{IMAGE}?name=cat",
    f"{IMAGE}?name=cat&page-size=7",
    f"{IMAGE}?name=",
    f"{IMAGE}?name=%F0%9F%90%88+%2B&page-size=%207",
    IMAGE,
    f"{IMAGE}?name=cat&page-size=0",
    f"{IMAGE}?name=cat&page-size=x",
    f"{IMAGE}?page-size=x",
    "/images/x?name=cat",
]


async def get_caller(request: Request) -> str:
    return request.headers.get("x-caller", "unknown")


Caller = Annotated[str, Depends(get_caller)]


async def get_address(caller: Caller) -> str:
    return caller


async def open_session(_request: Request) -> AsyncIterator[str]:
    yield "session"


async def read_image(
    request: Request,
    image_id: UUID,
    caller: Caller,
    name: Annotated[str, Query(max_length=5)],
    size: Annotated[int, Query(alias="page-size", ge=1)] = 10,
) -> Response:
    """An endpoint that is simple."""
    return JSONResponse([request.method, str(image_id), caller, name, size])


async def make_model() -> dict[str, str]:
    return {}


async def take_header(x: Annotated[str, Header()]) -> PlainTextResponse:
    return PlainTextResponse(x)


async def take_list(x: Annotated[list[str], Query()]) -> PlainTextResponse:
    return PlainTextResponse(x[0])


async def take_response(response: Response) -> PlainTextResponse:
    return PlainTextResponse(str(response.status_code))


async def take_body(body: dict[str, str]) -> PlainTextResponse:
    return PlainTextResponse(str(body))


async def take_nested(x: Annotated[str, Depends(get_address)]) -> PlainTextResponse:
    return PlainTextResponse(x)


async def take_generator(x: Annotated[str, Depends(open_session)]) -> PlainTextResponse:
    return PlainTextResponse(x)


def run_in_thread() -> PlainTextResponse:
    return PlainTextResponse("")


def application(route_class: type[APIRoute]) -> FastAPI:
    app = FastAPI()
    app.router.route_class = route_class
    app.add_api_route("/images/{image_id}", read_image, methods=["GET"])
    return app


async def get(app: FastAPI, target: str, **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        return await client.get(target, headers=headers)


@pytest.mark.parametrize("target", TARGETS)
async def test_the_responses_are_those_of_fastapi(target: str) -> None:
    direct, usual = [await get(application(one), target, **{"x-caller": "ann"}) for one in (StrictRoute, APIRoute)]
    assert (direct.status_code, direct.json()) == (usual.status_code, usual.json())


async def test_fastapi_does_not_resolve_the_dependencies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("fastapi.routing.solve_dependencies")
    assert (await get(application(StrictRoute), TARGETS[0])).status_code == 200
    with pytest.raises(NameError):
        await get(application(APIRoute), TARGETS[0])


async def test_a_dependency_can_be_overridden() -> None:
    async def get_other() -> str:
        return "bob"

    app = application(StrictRoute)
    app.dependency_overrides[get_caller] = get_other
    assert (await get(app, TARGETS[0])).json()[2] == "bob"


async def test_an_unknown_parameter_is_refused_first() -> None:
    with pytest.raises(ValidationFailed):
        await get(application(StrictRoute), f"{TARGETS[0]}&other=1")


@pytest.mark.parametrize(
    "endpoint",
    [make_model, take_header, take_list, take_response, take_body, take_nested, take_generator, run_in_thread],
)
def test_other_endpoints_are_not_simple(endpoint: Callable[..., Any]) -> None:
    assert not is_simple(APIRoute("/", endpoint).dependant)
    assert is_simple(APIRoute("/{image_id}", read_image).dependant)
