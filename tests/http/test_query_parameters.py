"""Query parameters are strict (docs/decisions/0011-one-strict-api-contract.md)."""

import httpx
import pytest
from fastapi.dependencies.utils import get_dependant

from app.http.requests.query_parameters import MAX_KEPT_LENGTH, QueryParameters
from tests.http.problem_documents import problem
from tests.support.accounts import Account
from tests.support.photos import png


@pytest.mark.parametrize(
    ("query", "name", "suggestion"),
    [("tag=cat", "tag", None), ("limti=1", "limti", "limit"), ("Limit=1", "Limit", "limit"), ("=1", "", None)],
)
async def test_f73_an_unknown_parameter_is_refused(
    client: httpx.AsyncClient, query: str, name: str, suggestion: str | None
) -> None:
    document = problem(await client.get(f"/v1/images?{query}"), 422, "validation-error")
    assert document.get("did_you_mean") == suggestion
    (error,) = document["errors"]
    assert error["loc"] == ["query", name]
    assert "q, sort, count, limit, cursor" in error["msg"]


@pytest.mark.parametrize("query", ["q=a&q=b", "limit=200&limit=1", "limit=1&limit=1", "q=a&%71=b"])
async def test_f73_a_repeated_parameter_is_refused(client: httpx.AsyncClient, query: str) -> None:
    document = problem(await client.get(f"/v1/images?{query}"), 422, "validation-error")
    assert document["errors"][0]["type"] == "repeated"


async def test_f73_an_empty_cursor_is_refused(client: httpx.AsyncClient) -> None:
    for path in ("/v1/images", "/v1/tags"):
        problem(await client.get(f"{path}?cursor="), 400, "invalid-cursor")


async def test_f73_a_cached_answer_does_not_hide_the_error(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/images?limit=1")).status_code == 200
    for _ in range(2):
        problem(await client.get("/v1/images?limit=1&limti=1"), 422, "validation-error")


async def test_f73_credentials_come_first(client: httpx.AsyncClient, user: Account) -> None:
    for path in ("/v1/users/me?x=1", "/v1/ops/requests?x=1"):
        problem(await client.get(path), 401, "unauthenticated")
    problem(await user.client.get("/v1/users/me?x=1"), 422, "validation-error")


async def test_f73_an_upload_with_an_unknown_parameter_stores_nothing(user: Account) -> None:
    files = {"image": ("a.png", png(), "image/png")}
    problem(await user.client.post("/v1/images?visibility=private", files=files), 422, "validation-error")
    assert (await user.client.get("/v1/images")).json()["items"] == []


async def test_f73_the_number_and_length_of_reported_names_is_limited(client: httpx.AsyncClient) -> None:
    query = "&".join(f"{number}{'x' * 200}=1" for number in range(100))
    document = problem(await client.get(f"/v1/images?{query}"), 422, "validation-error")
    assert len(document["errors"]) == 10
    assert all(len(error["loc"][1]) <= 100 for error in document["errors"])


async def test_f73_the_callback_of_a_social_login_ignores_unknown_parameters(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/auth/social/nobody/callback?state=a&code=b&session_state=c&authuser=0")
    problem(response, 404, "identity-provider-not-found")


def test_canonical_forms_are_kept_for_short_queries_only() -> None:
    def operation(q: str = "", limit: int = 1) -> None:
        del q, limit

    parameters = QueryParameters(get_dependant(path="/", call=operation))
    long = b"q=" + b"a" * MAX_KEPT_LENGTH
    for _ in range(2):
        assert parameters.canonical(b"limit=2&q=%61+b") == "[('limit', '2'), ('q', 'a b')]"
        assert parameters.canonical(b"q=a%20b&limit=2") == "[('limit', '2'), ('q', 'a b')]"
        assert parameters.canonical(b"q=a&q=b") is None
        assert parameters.canonical(b"tag=a") is None
        assert parameters.canonical(long) == f"[('q', '{'a' * MAX_KEPT_LENGTH}')]"
    kept = parameters._kept_canonical.cache_info()
    assert (kept.currsize, kept.hits) == (4, 4)
