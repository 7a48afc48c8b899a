"""The document that clients read is complete."""

from typing import Any

import httpx
import pytest

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


async def test_every_operation_is_told(operations: dict[str, dict[str, Any]]) -> None:
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
