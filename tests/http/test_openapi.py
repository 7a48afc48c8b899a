"""The document that clients read is complete."""

import json
import re
from typing import Any

import httpx
import pytest

from tests.support.accounts import Account
from tests.support.openapi import undocumented
from tests.support.photos import png

pytestmark = pytest.mark.integration

VERBS = ("get", "post", "put", "patch", "delete")


@pytest.fixture
async def operations(client: httpx.AsyncClient) -> dict[str, dict[str, Any]]:
    paths = (await client.get("/openapi.json")).json()["paths"]
    return {
        f"{verb.upper()} {path}": operation
        for path, item in paths.items()
        for verb, operation in item.items()
        if verb in VERBS
    }


async def test_every_operation_is_documented(operations: dict[str, dict[str, Any]]) -> None:
    for name, operation in operations.items():
        assert operation["summary"], name
        assert operation["description"], name
        assert operation["tags"], name
        problem = operation["responses"]["default"]["content"]["application/problem+json"]
        assert problem["schema"] == {"$ref": "#/components/schemas/Problem"}, name


async def test_operations_are_named_as_their_functions(operations: dict[str, dict[str, Any]]) -> None:
    names = [operation["operationId"] for operation in operations.values()]
    assert len(set(names)) == len(names)
    assert "upload_image" in names


async def test_bodies_have_examples(client: httpx.AsyncClient, operations: dict[str, dict[str, Any]]) -> None:
    schemas = (await client.get("/openapi.json")).json()["components"]["schemas"]
    for name, operation in operations.items():
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if content is None:
            continue
        schema = schemas[content["schema"]["$ref"].rpartition("/")[2]]
        assert "examples" in schema or any("examples" in field for field in schema["properties"].values()), name


async def test_every_guard_parameter_and_body_is_documented(operations: dict[str, dict[str, Any]]) -> None:
    for name, operation in operations.items():
        slugs = {status: problems(operation, status) for status in ("401", "403", "408", "413", "422")}
        if operation["security"]:
            assert "invalid-token" in slugs["401"], name
            assert "insufficient-scope" in slugs["403"], name
        own = [one for one in operation.get("parameters", ()) if "name" in one]
        if own or "requestBody" in operation:
            assert "validation-error" in slugs["422"], name
        if "requestBody" in operation:
            assert slugs["408"], name
            assert "payload-too-large" in slugs["413"], name


async def test_an_upload_without_a_decoder_is_503(operations: dict[str, dict[str, Any]]) -> None:
    assert "decoders-unavailable" in problems(operations["POST /v1/images"], "503")


async def test_references_lead_somewhere(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    for reference in set(re.findall(r'"\$ref": ?"#/([^"]+)"', json.dumps(document))):
        place = document
        for step in reference.split("/"):
            place = place[step]


@pytest.mark.parametrize(
    ("operation", "headers"),
    [
        ("GET /v1/images/{image_id}", {"If-None-Match"}),
        ("PATCH /v1/images/{image_id}", {"If-Match"}),
        ("PUT /v1/images/{image_id}/tags", {"If-Match"}),
        ("DELETE /v1/images/{image_id}", {"If-Match"}),
        ("POST /v1/images", {"Idempotency-Key"}),
        (
            "GET /v1/images/{image_id}/content",
            {"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range", "Range"},
        ),
        ("POST /v1/auth/token", set()),
    ],
)
async def test_the_headers_of_requests_are_documented(
    client: httpx.AsyncClient, operations: dict[str, dict[str, Any]], operation: str, headers: set[str]
) -> None:
    known = (await client.get("/openapi.json")).json()["components"]["parameters"]
    parameters = operations[operation].get("parameters", ())
    documented = [known[one["$ref"].rpartition("/")[2]] if "$ref" in one else one for one in parameters]
    assert {one["name"] for one in documented if one["in"] == "header"} == headers


async def test_the_headers_of_responses_are_documented(client: httpx.AsyncClient, user: Account) -> None:
    """Those that the matrix of accounts and endpoints does not see."""
    document = (await client.get("/openapi.json")).json()
    made = [
        (await user.client.post("/v1/images", files={"image": (f"{number}.png", png())})).json()["links"]
        for number in range(2)
    ]
    image, content = "/v1/images/{image_id}", "/v1/images/{image_id}/content"
    links = made[0]
    etag = {image: await etag_of(client, links["self"]), content: await etag_of(client, links["content"])}
    requests = [
        ("GET", image, links["self"], {"If-None-Match": etag[image]}, 304),
        ("PATCH", image, links["self"], {"If-Match": '"other"'}, 412),
        ("PATCH", image, links["self"], {"If-Match": etag[image]}, 200),
        ("GET", content, links["content"], {"If-None-Match": etag[content]}, 304),
        ("GET", content, links["content"], {"Range": "bytes=0-9"}, 206),
        ("GET", content, links["content"], {"Range": "bytes=99999999-"}, 416),
        ("GET", "/v1/images", "/v1/images?limit=1", {}, 200),
    ]
    for method, path, url, headers, status in requests:
        response = await user.client.request(method, url, headers=headers, json={} if method == "PATCH" else None)
        assert response.status_code == status, response.text
        assert undocumented(document, method, path, response) == [], (method, url, headers)


async def etag_of(client: httpx.AsyncClient, url: str) -> str:
    return (await client.get(url)).headers["etag"]


def problems(operation: dict[str, Any], status: str) -> set[str]:
    """Return the slugs that the operation documents for a status."""
    content = operation["responses"].get(status, {}).get("content", {})
    return set(content.get("application/problem+json", {}).get("examples", ()))
