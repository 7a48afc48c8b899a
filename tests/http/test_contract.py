"""The conventions that every endpoint follows (docs/decisions/0011-one-strict-api-contract.md)."""

import json
import re
from typing import Any

import httpx
import pytest

from app.core.settings import Settings
from tests.http.problem_documents import problem
from tests.support.accounts import Account
from tests.support.server import running_service

pytestmark = pytest.mark.integration

PROBLEM = "application/problem+json"


async def test_every_response_has_a_request_id_and_nosniff(client: httpx.AsyncClient) -> None:
    for path in ("/healthz", "/nothing/here", "/v1/images", "/docs"):
        response = await client.get(path)
        assert re.fullmatch(r"[0-9a-f]{32}", response.headers["x-request-id"])
        assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("sent", "kept"), [("a.B-9_", True), ("x" * 64, True), ("x" * 65, False), ("a b", False), ("ä", False)]
)
async def test_a_valid_request_id_is_kept(client: httpx.AsyncClient, sent: str, *, kept: bool) -> None:
    response = await client.get("/healthz", headers={b"X-Request-ID": sent.encode()})
    assert (response.headers["x-request-id"] == sent) is kept


async def test_framework_errors_are_problems(client: httpx.AsyncClient) -> None:
    for path in ("/v1/nothing", "/v1/images/", "/v1/users/me/", "/healthz/", "/docs/", "//evil.example/v1/images/"):
        problem(await client.get(path, headers={"Host": "evil.example"}), 404, "not-found")
    refused = await client.delete("/v1/images")
    problem(refused, 405, "method-not-allowed")
    assert refused.headers["allow"] == "GET, HEAD, POST, QUERY"


async def test_a_bug_is_a_problem_without_details(settings: Settings) -> None:
    async with running_service(settings) as service, httpx.AsyncClient(base_url=service.url) as client:

        @service.app.get("/fail")
        async def fail() -> None:
            raise RuntimeError("the password is hunter2")

        response = await client.get("/fail")
    problem(response, 500, "internal-error")
    assert "hunter2" not in response.text


async def test_unknown_fields_are_refused(client: httpx.AsyncClient, user: Account) -> None:
    body = {"email": "a@example.com", "password": "long enough", "is_admin": True}
    document = problem(await client.post("/v1/users", json=body), 422, "validation-error")
    (error,) = document["errors"]
    assert (error["loc"], error["type"]) == (["body", "is_admin"], "extra_forbidden")
    assert error["msg"].startswith("The field is unknown. The accepted fields are: email, password")
    problem(await user.client.post("/v1/tags", json={"names": ["a"], "id": 1}), 422, "validation-error")


async def test_a_refused_value_is_not_echoed(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/users", json={"email": "nobody", "password": "s3cret!"})
    assert len(problem(response, 422, "validation-error")["errors"]) == 2
    assert "s3cret!" not in response.text


HOSTILE_BODIES = [
    b"",
    b"{",
    b"[" * 100_000,
    b"\xff\xfe\x00",
    b'{"names": ["\\ud800"]}',
    b'{"names": ["\\u0000"]}',
    b'{"\\ud800": 1, "names": []}',
    b'{"names": NaN}',
    b'{"names": ' + b"9" * 5000 + b"}",
    b'{"names": [' + b'"a",' * 2000 + b'"a"]}',
    json.dumps({"names": ["x" * 65]}).encode(),
    json.dumps({"names": ["a\u202eb"]}).encode(),
    b"null",
]


@pytest.mark.parametrize("body", HOSTILE_BODIES, ids=range(len(HOSTILE_BODIES)))
async def test_no_body_causes_a_500(user: Account, body: bytes) -> None:
    response = await user.client.post("/v1/tags", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code in (400, 422), response.text
    assert response.headers["content-type"] == PROBLEM


@pytest.mark.parametrize(
    "query", ["q=%00", "q=%ED%A0%80", "q=%FF", "limit=0", "limit=101", "limit=x", "cursor=%00", "q=a%0Ab"]
)
async def test_no_query_causes_a_500(client: httpx.AsyncClient, query: str) -> None:
    response = await client.get(f"/v1/images?{query}")
    assert response.status_code in (400, 422), response.text
    assert response.headers["content-type"] == PROBLEM


async def test_a_body_over_the_bound_is_413(user: Account) -> None:
    body = b'{"names": ["' + b"a" * (1024 * 1024) + b'"]}'
    problem(await user.client.post("/v1/tags", content=body), 413, "payload-too-large")

    async def chunks() -> Any:
        for _ in range(20):
            yield b"a" * 100_000

    problem(await user.client.post("/v1/tags", content=chunks()), 413, "payload-too-large")


async def test_head_works_wherever_get_does(client: httpx.AsyncClient) -> None:
    for path in ("/healthz", "/v1/images", "/v1/tags", "/docs", "/openapi.json"):
        got, head = await client.get(path), await client.head(path)
        assert head.status_code == got.status_code == 200
        assert head.content == b""
        assert head.headers["content-type"] == got.headers["content-type"]
        assert head.headers["content-length"] == got.headers["content-length"]


async def test_no_credentials_and_bad_ones_are_401_before_anything_else(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/tags", content=b"{")
    assert response.headers["www-authenticate"] == "Bearer"
    problem(response, 401, "unauthenticated")
    for header in ("Bearer nonsense", "Basic YTpi", "Bearer", "Bearer a b"):
        response = await client.get("/v1/images", headers={"Authorization": header})
        assert response.headers["www-authenticate"].startswith('Bearer error="invalid_token"')
        problem(response, 401, "invalid-token")


async def test_cors_allows_the_listed_origins_only(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/tags", headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in response.headers
