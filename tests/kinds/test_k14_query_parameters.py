"""K14: no operation ignores a query parameter. The operations are those of the OpenAPI document."""

from typing import Any

import httpx
import pytest

from tests.http.problem_documents import problem
from tests.support.accounts import Account
from tests.support.openapi import DOCUMENT

pytestmark = pytest.mark.integration

OPERATIONS = sorted(
    (method.upper(), path) for path, item in DOCUMENT["paths"].items() if path.startswith("/v1/") for method in item
)
# An empty query matches all images.
MAY_BE_EMPTY = {("GET", "/v1/images", "q"), ("GET", "/v1/images/explain", "q")}
# The identity provider adds parameters of its own to the URL of the callback.
IGNORES_UNKNOWN = {("GET", "/v1/auth/social/{provider}/callback")}


def query_parameters(method: str, path: str) -> list[dict[str, Any]]:
    parameters = DOCUMENT["paths"][path][method.lower()].get("parameters", ())
    return [one for one in parameters if one.get("in") == "query"]


DECLARED = [(method, path, one["name"]) for method, path in OPERATIONS for one in query_parameters(method, path)]


async def request(client: httpx.AsyncClient, method: str, path: str, query: list[tuple[str, Any]]) -> httpx.Response:
    parameters = DOCUMENT["paths"][path][method.lower()].get("parameters", ())
    url = path.format_map({one["name"]: one["example"] for one in parameters if one.get("in") == "path"})
    return await client.request(method, url, params=query, follow_redirects=False)


async def test_k14_an_unknown_parameter_is_refused(admin: Account) -> None:
    for method, path in OPERATIONS:
        if (method, path) not in IGNORES_UNKNOWN:
            response = await request(admin.client, method, path, [("unknwn", "1")])
            document = problem(response, 422, "validation-error")
            assert document["errors"][0]["loc"] == ["query", "unknwn"], (method, path)


async def test_k14_a_misspelled_parameter_gets_a_suggestion(admin: Account) -> None:
    for method, path, name in DECLARED:
        # A name of one letter is similar to no other.
        if (method, path) not in IGNORES_UNKNOWN and len(name) > 1:
            response = await request(admin.client, method, path, [(f"{name}x", "1")])
            document = problem(response, 422, "validation-error")
            assert document["did_you_mean"] == document["errors"][0]["did_you_mean"] == name, (method, path)


async def test_k14_a_repeated_parameter_is_refused(admin: Account) -> None:
    for method, path, name in DECLARED:
        response = await request(admin.client, method, path, [(name, "1"), (name, "2")])
        document = problem(response, 422, "validation-error")
        assert ["query", name] in [one["loc"] for one in document["errors"]], (method, path)


async def test_k14_an_empty_parameter_is_refused(admin: Account) -> None:
    for method, path, name in DECLARED:
        if (method, path, name) not in MAY_BE_EMPTY:
            response = await request(admin.client, method, path, [(name, "")])
            assert 400 <= response.status_code < 500, (method, path, name, response.text)
            assert response.headers["content-type"] == "application/problem+json"
            assert name != "cursor" or response.json()["type"] == "/problems/invalid-cursor", (method, path)
