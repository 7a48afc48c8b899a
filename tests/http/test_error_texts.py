"""Request bodies and the texts of errors (docs/problems.md)."""

from typing import Any

import httpx
import pytest

from app.core.errors import MalformedBody
from app.http.requests.json_body import parse_json
from tests.http.problem_documents import problem
from tests.support.accounts import Account
from tests.support.photos import png

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("body", "line", "column"),
    [
        (b"{bad", 1, 2),
        (b'{"names":\n ["a",]}', 2, 7),
        (b'{"names": ["a"]} x', 1, 18),
        (b'{"a": "b\xff"}', 1, 9),
        (b'["NaN", NaN]', 1, 9),
        (b'["1",\n' + b"9" * 5000 + b"]", 2, 1),
        (b'{"a": "\n"}', 1, 8),
        (b"[" * 100_000, 1, 501),
        (b" ", 1, 2),
    ],
)
def test_f75_the_place_of_an_error_in_json_is_reported(body: bytes, line: int, column: int) -> None:
    with pytest.raises(MalformedBody) as raised:
        parse_json(body)
    assert raised.value.extras == {"line": line, "column": column}
    assert f"at line {line}, column {column}." in raised.value.detail


async def test_f75_malformed_json_is_400(user: Account) -> None:
    response = await user.client.post("/v1/tags", content=b'{\n"names": [}', headers=JSON)
    document = problem(response, 400, "malformed-body")
    assert (document["line"], document["column"]) == (2, 11)


async def test_f75_a_field_that_occurs_twice_is_refused(user: Account) -> None:
    response = await user.client.post("/v1/tags", content=b'{"names": ["a"], "names": ["b"]}', headers=JSON)
    assert problem(response, 422, "validation-error")["errors"][0]["loc"] == ["body", "names"]


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "", "multipart/form-data"])
async def test_f75_a_body_of_another_media_type_is_415(client: httpx.AsyncClient, media_type: str) -> None:
    body = b'{"email": "ada@example.com", "password": "correct horse battery staple"}'
    response = await client.post("/v1/users", content=body, headers={"Content-Type": media_type} if media_type else {})
    document = problem(response, 415, "unsupported-media-type")
    assert document["detail"] == "The body must be application/json."
    assert document["title"] == "Unsupported media type"


async def test_f75_a_form_is_required_for_tokens(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/auth/token", json={"grant_type": "password"})
    detail = problem(response, 415, "unsupported-media-type")["detail"]
    assert detail == "The body must be application/x-www-form-urlencoded."


async def test_f75_an_upload_needs_a_multipart_body(user: Account) -> None:
    response = await user.client.post("/v1/images", content=png(), headers={"Content-Type": "image/png"})
    assert problem(response, 415, "unsupported-media-type")["detail"] == "The body must be multipart/form-data."


async def test_f75_a_compressed_body_is_415(user: Account) -> None:
    response = await user.client.post("/v1/tags", content=b"\x1f\x8b", headers={**JSON, "Content-Encoding": "gzip"})
    problem(response, 415, "unsupported-media-type")


async def test_f75_suffixed_json_and_parameters_are_accepted(user: Account) -> None:
    for media_type in ("application/json; charset=utf-8", "Application/JSON", "application/merge-patch+json"):
        response = await user.client.post("/v1/tags", content=b'{"names": ["a"]}', headers={"Content-Type": media_type})
        assert response.status_code == 201, response.text


async def test_f76_the_values_of_sort_are_listed(client: httpx.AsyncClient) -> None:
    for sort, suggestion in [("date", "created"), ("-sise", "-size"), ("relevance", None)]:
        document = problem(await client.get(f"/v1/images?sort={sort}"), 422, "validation-error")
        (error,) = document["errors"]
        assert error.get("did_you_mean") == suggestion
        assert "created, taken, name" in error["msg"]


async def test_f76_an_unknown_field_has_one_wording_in_json_and_in_a_form(user: Account) -> None:
    def wording(document: dict[str, Any]) -> tuple[str, str, str]:
        (error,) = document["errors"]
        return error["msg"].partition(" The accepted")[0], error["type"], error["did_you_mean"]

    in_json = await user.client.post("/v1/tags", json={"names": ["a"], "name": 1})
    files = {"image": ("a.png", png(), "image/png")}
    in_form = await user.client.post("/v1/images", files=files, data={"tag": "cat"})
    assert wording(problem(in_json, 422, "validation-error")) == ("The field is unknown.", "extra_forbidden", "names")
    assert wording(problem(in_form, 422, "validation-error")) == ("The field is unknown.", "extra_forbidden", "tags")


async def test_f76_own_rules_are_whole_sentences(client: httpx.AsyncClient, user: Account) -> None:
    refused = [
        await client.post("/v1/users", json={"email": "nobody", "password": "password"}),
        await client.post("/v1/users", json={"email": "a\u0000b@example.com", "password": "sh"}),
        await user.client.post("/v1/tags", json={"names": ["-a"]}),
        await user.client.post("/v1/images/tags", json={"dry_run": True}),
        await user.client.post("/v1/images/lookup", json={"sha256": ["z"]}),
        await client.get("/v1/images?count=exakt"),
    ]
    for response in refused:
        document = problem(response, 422, "validation-error")
        for text in (document["detail"], *(error["msg"] for error in document["errors"])):
            assert text[0].isupper(), text
            assert text.endswith("."), text
            assert "Value error" not in text
            assert "^" not in text
    assert document["did_you_mean"] == "exact"


async def test_f78_null_is_refused_and_not_declared(client: httpx.AsyncClient, user: Account) -> None:
    schemas = (await client.get("/openapi.json")).json()["components"]["schemas"]
    properties = schemas["ImageUpdate"]["properties"]
    assert '"null"' not in str(properties).replace("'", '"')
    assert all("default" not in one for one in properties.values())
    files = {"image": ("a.png", png(), "image/png")}
    image = (await user.client.post("/v1/images", files=files)).json()["links"]["self"]
    for field in ("visibility", "name"):
        problem(await user.client.patch(image, json={field: None}), 422, "validation-error")


async def test_f78_the_limits_of_names_are_declared(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    names = document["components"]["schemas"]["TagsCreate"]["properties"]["names"]["items"]
    (path,) = document["paths"]["/v1/tags/{name}"]["get"]["parameters"][:1]
    for schema in (names, path["schema"]):
        assert schema["maxLength"] == 64
        assert schema["pattern"]
    assert document["components"]["schemas"]["ImageUpdate"]["properties"]["name"]["maxLength"] == 255
