"""K15: each operation can be executed as the documentation page fills it in."""

import urllib.parse
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from tests.support.accounts import Account

pytestmark = pytest.mark.integration

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
# These need a file, or a link from an e-mail or a provider.
WITHOUT = {
    *(
        ("post", "/v1/images"),
        ("post", "/v1/images/similar"),
        ("post", "/v1/uploads"),
        ("patch", "/v1/uploads/{upload_id}"),
    ),
    ("get", "/v1/auth/social/{provider}/callback"),
}


def prefilled(path: str, operation: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the path and the arguments of the request that Swagger UI sends."""
    parameters = operation.get("parameters", ())
    values = {
        one["name"]: urllib.parse.quote(str(one["example"]), safe="") for one in parameters if one.get("in") == "path"
    }
    if query := {one["name"]: one["example"] for one in parameters if one.get("in") == "query" and one["required"]}:
        path = f"{path}?{urllib.parse.urlencode(query)}"
    content = operation.get("requestBody", {}).get("content", {})
    if JSON in content:
        return path.format_map(values), {"json": example_of(content[JSON])}
    if FORM in content:
        return path.format_map(values), {"data": example_of(content[FORM])}
    return path.format_map(values), {}


def example_of(content: dict[str, Any]) -> Any:
    if "example" in content:
        return content["example"]
    return next(iter(content["examples"].values()))["value"]


async def test_k15_f90_every_prefilled_example_is_valid(
    client: httpx.AsyncClient, make_account: Callable[..., Awaitable[Account]]
) -> None:
    document = (await client.get("/openapi.json")).json()
    refused = []
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if (method, path) in WITHOUT:
                continue
            admin = await make_account(is_admin=True)
            url, arguments = prefilled(path, operation)
            response = await admin.client.request(method, url, **arguments)
            # No example can be a link that was mailed.
            is_link = response.status_code == 400 and response.json()["type"] == "/problems/invalid-link"
            if response.status_code in (400, 405, 415, 422, 500) and not is_link:
                refused.append((method, path, arguments, response.text))
    assert refused == []


async def test_k15_f90_no_example_is_a_placeholder(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    for path, item in document["paths"].items():
        for method, operation in item.items():
            for parameter in operation.get("parameters", ()):
                if parameter.get("in") == "path":
                    assert parameter["example"] not in ("", None, "string"), (method, path, parameter)
            for content in operation.get("requestBody", {}).get("content", {}).values():
                assert "string" not in str(example_of(content)).split("'"), (method, path)
    token = document["paths"]["/v1/auth/token"]["post"]["requestBody"]["content"][FORM]["example"]
    assert "refresh_token" not in token
    schemes = document["components"]["securitySchemes"].values()
    assert {"http", "oauth2"} == {one["type"] for one in schemes}
    assert any("e-mail" in one.get("description", "") for one in schemes)
