"""A deprecated route announces its end in the headers and in the OpenAPI document."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime

import httpx
import pytest
from fastapi import APIRouter

from app.core.errors import NotFound
from app.core.settings import Settings
from app.http.openapi.deprecation import deprecated
from app.http.openapi.document import DEFAULT_RESPONSE
from app.http.prefix_router import PrefixRouter
from app.http.requests.strict_route import StrictRoute
from tests.support.server import serving

SINCE, SUNSET = date(2026, 12, 1), date(2027, 6, 1)


def router() -> APIRouter:
    old = PrefixRouter(prefix="/old-images", tags=["images"], route_class=StrictRoute)

    @old.get("/{number}", **deprecated(SINCE, SUNSET, "/v1/images"))
    async def read_old(number: int) -> int:
        if number == 404:
            raise NotFound
        return number

    @old.get("", **deprecated(SINCE))
    async def list_old() -> list[int]:
        return []

    return old


@pytest.fixture(scope="module")
async def client(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    # Imported here, as in `running_service`.
    from app.main import create_app  # noqa: PLC0415

    app = create_app(settings)
    app.include_router(router(), prefix="/v1", responses=DEFAULT_RESPONSE)
    async with serving(app) as url, httpx.AsyncClient(base_url=url, timeout=30) as client:
        yield client


async def test_a_deprecated_route_sends_the_times_and_the_successor(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/old-images/7")
    assert response.json() == 7
    assert response.headers["Deprecation"] == f"@{int(datetime(2026, 12, 1, tzinfo=UTC).timestamp())}"
    assert parsedate_to_datetime(response.headers["Sunset"]) == datetime(2027, 6, 1, tzinfo=UTC)
    assert response.headers["Link"] == '</v1/images>; rel="successor-version"'


async def test_its_problems_have_the_headers_too(client: httpx.AsyncClient) -> None:
    for path, status in (("404", 404), ("x", 422), ("7?unknown=1", 422)):
        response = await client.get(f"/v1/old-images/{path}")
        assert response.status_code == status
        assert {"deprecation", "sunset", "link"} <= response.headers.keys()


async def test_a_route_without_a_sunset_sends_the_deprecation_only(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/old-images")
    assert "deprecation" in response.headers
    assert not {"sunset", "link"} & response.headers.keys()


async def test_other_routes_send_nothing(client: httpx.AsyncClient) -> None:
    assert "deprecation" not in (await client.get("/v1/images")).headers


async def test_the_document_declares_it(client: httpx.AsyncClient) -> None:
    paths = (await client.get("/openapi.json")).json()["paths"]
    operation = paths["/v1/old-images/{number}"]["get"]
    assert operation["deprecated"]
    assert (operation["x-deprecated-since"], operation["x-sunset"]) == ("2026-12-01", "2027-06-01")
    assert {"Deprecation", "Sunset"} <= operation["responses"]["200"]["headers"].keys()
    assert "Sunset" not in paths["/v1/old-images"]["get"]["responses"]["200"]["headers"]


def test_a_flag_without_a_declaration_is_refused() -> None:
    with pytest.raises(ValueError, match=r"use deprecated\(\)"):
        PrefixRouter(prefix="/x", route_class=StrictRoute).get("", deprecated=True)(lambda: None)


def test_a_sunset_before_the_deprecation_is_refused() -> None:
    with pytest.raises(ValueError, match="must not precede"):
        deprecated(SUNSET, SINCE)
