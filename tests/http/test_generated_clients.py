"""Clients that are generated from the OpenAPI document work."""

import json
from pathlib import Path

import httpx
import pytest

from tests.support.accounts import Account
from tests.support.photos import png

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]


def test_f72_errors_do_not_hide_what_a_client_cannot_parse() -> None:
    document = json.loads((ROOT / "docs" / "openapi.json").read_text())
    for path, item in document["paths"].items():
        for method, operation in item.items():
            responses = operation["responses"]
            assert {"4XX", "5XX"} <= responses.keys(), (method, path)
            content = responses.get("200", {}).get("content", {})
            if any(kind.startswith("image/") for kind in content):
                assert "application/octet-stream" in content, (method, path)


async def test_f81_the_document_says_which_operations_need_credentials(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    paths = document["paths"]
    assert paths["/v1/users"]["post"]["security"] == []
    assert {} in paths["/v1/images"]["get"]["security"]
    for method, path in (("post", "/v1/tags"), ("get", "/v1/users/me"), ("get", "/v1/ops/requests")):
        security = paths[path][method]["security"]
        assert {} not in security
        assert {"Bearer": []} in security
    assert document["servers"]
    assert document["info"]["license"]["name"] == "MIT"
    assert document["components"]["schemas"]["ThumbnailSize"]["type"] == "integer"


async def test_f81_the_size_of_a_thumbnail_is_an_integer(user: Account) -> None:
    files = {"image": ("a.png", png(), "image/png")}
    image = (await user.client.post("/v1/images", files=files)).json()["links"]["thumbnail"]
    assert (await user.client.get(image, params={"size": 160})).status_code == 200
    refused = await user.client.get(image, params={"size": 161})
    assert refused.json()["errors"][0]["msg"] == "The value must be one of: 160, 320, 640, 1280."
