"""K15: each problem type resolves, and each text of an error is a whole sentence."""

import re
from typing import Any

import httpx

from app.http.problem_pages import problem_types
from tests.http.problem_documents import problem
from tests.support.accounts import Account

OLD_WORDS = re.compile(r"\b(told|nobody|whoever|somebody|gone|cannot be looked at|so many|so long)\b", re.IGNORECASE)
LIBRARY = re.compile(r"Value error|Input should|\\[dw]|\^|\[A-Z|\(\?|JSON decode", re.IGNORECASE)


def is_sentence(text: str) -> bool:
    return bool(re.fullmatch(r"[A-Z\"'`*].*[.?!]", text, re.DOTALL)) and not LIBRARY.search(text)


def test_k15_f82_titles_are_noun_phrases_and_descriptions_sentences() -> None:
    for kind in problem_types():
        assert re.fullmatch(r"[A-Z][^.]{3,45}", kind.title), kind.title
        assert not re.match(r"(There|This|You|Only|An? |The)\b", kind.title), kind.title
        assert is_sentence(kind.description), kind.description
        assert not OLD_WORDS.search(f"{kind.title} {kind.description}"), kind


async def test_f74_every_problem_type_resolves(client: httpx.AsyncClient) -> None:
    listed = (await client.get("/problems")).json()["items"]
    assert [one["type"] for one in listed] == [f"/problems/{kind.slug}" for kind in problem_types()]
    for one in listed:
        assert (await client.get(one["type"])).json() == one
    browser = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    for path in ("/problems", "/problems/not-found"):
        page = await client.get(path, headers=browser)
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert "Not found" in page.text
        assert "default-src 'none'" in page.headers["content-security-policy"]
    problem(await client.get("/problems/nothing"), 404, "not-found")


async def test_f74_every_type_of_an_error_is_in_the_table_and_in_openapi(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    declared = set()
    for item in document["paths"].values():
        for operation in item.values():
            for response in operation["responses"].values():
                content = response.get("content", {}).get("application/problem+json", {})
                declared |= content.get("examples", {}).keys()
    assert declared <= {kind.slug for kind in problem_types()}
    for refusal in (
        await client.delete("/v1/images"),
        await client.get("/nothing"),
        await client.post("/v1/tags"),
        await client.get("/v1/images?cursor="),
    ):
        slug = refusal.json()["type"].removeprefix("/problems/")
        assert slug in declared
        assert (await client.get(refusal.json()["type"])).status_code == 200


async def test_k15_f76_every_refusal_is_a_whole_sentence(admin: Account) -> None:
    """Each parameter and each body field of the document gets values of the wrong kind."""
    document = (await admin.client.get("/openapi.json")).json()
    wrong: list[str] = []
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method == "delete" or "logout" in path:
                continue
            for url, arguments in bad_requests(path, operation, document):
                refusal = await admin.client.request(method, url, **arguments)
                if refusal.headers.get("content-type") == "application/problem+json":
                    texts = [refusal.json()["detail"], *(one["msg"] for one in refusal.json().get("errors") or ())]
                    wrong += [f"{method} {path}: {text}" for text in texts if not is_sentence(text)]
                assert refusal.status_code < 500 or refusal.status_code == 503, refusal.text
    assert sorted(set(wrong)) == []


BAD_VALUES = ("", "x\u0000", "x" * 5000, "-1")
BAD_JSON: tuple[Any, ...] = ("", "x\u0000", "x" * 5000, -1, None, [None])


def bad_requests(path: str, operation: dict[str, Any], document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    parameters = operation.get("parameters", ())
    values = {one["name"]: one["example"] for one in parameters if one.get("in") == "path"}
    url = path.format_map(values)
    names = [one["name"] for one in parameters if one.get("in") == "query"]
    requests: list[tuple[str, dict[str, Any]]] = [
        (url, {"params": {name: value}}) for name in names for value in BAD_VALUES
    ]
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content is not None:
        schema = content["schema"]
        model = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        fields = (*model["properties"], "unknown")
        requests += [(url, {"json": dict.fromkeys(fields, value)}) for value in BAD_JSON]
    return requests
