"""The JSON filter: the same tree, canonical query, pages and cursors as the text; errors with a pointer."""

import json
import random
from typing import Any

import httpx
import pytest
from hypothesis import assume, given

from app.core.errors import ValidationFailed
from app.db.database import Database
from app.search.errors import InvalidQuery
from app.search.language import ast
from app.search.language.ast import format_query
from app.search.language.filters import FILTER_NAMES
from app.search.language.json_filter import COMPARISONS, KEYS, parse_filter
from app.search.language.parser import MAX_DEPTH, MAX_TERMS, parse
from tests.http.problem_documents import problem
from tests.search.queries import nodes
from tests.support.accounts import Account, add_api_key
from tests.support.examples import examples
from tests.tags.helpers import read, upload

SEARCH = "/v1/images/search"


def to_json(node: ast.Node) -> dict[str, Any]:
    """Return a filter with the meaning of a tree."""
    match node:
        case ast.Tag(name) | ast.Wildcard(name):
            return {"tag": name}
        case ast.Filter(name, values):
            return {name: values[0] if len(values) == 1 else {"in": list(values)}}
        case ast.Not(term):
            return {"none": [to_json(term)]}
        case ast.And(terms):
            return {"all": [to_json(term) for term in terms]}
        case ast.Or(terms):
            return {"any": [to_json(term) for term in terms]}
        case ast.AtLeast(number, terms):
            return {"at_least": {"n": number, "of": [to_json(term) for term in terms]}}


@examples(10)
@given(nodes)
def test_a_filter_and_a_text_have_the_same_tree(query: ast.Node) -> None:
    text = format_query(query)
    try:
        expected = parse(text)
        tree = parse_filter(to_json(query))
    except InvalidQuery:
        assume(False)
    assert format_query(tree) == format_query(expected) == text
    assert parse(format_query(tree)) == tree


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ({}, ""),
        ({"tag": "*"}, ""),
        ({"tag": "Red  Sofa"}, '"red sofa"'),
        ({"tag": "cat*"}, "cat*"),
        ({"tag": "rating:safe"}, '"rating:safe"'),
        ({"tag": "cat", "none": [{"tag": "dog"}, {"type": "gif"}]}, "cat -dog -type:gif"),
        ({"any": [{"tag": "cat", "width": 5}, {"tag": "dog"}]}, "cat width:5 OR dog"),
        ({"all": [{"any": [{"tag": "cat"}, {"tag": "dog"}]}, {"tag": "sofa"}]}, "(cat OR dog) sofa"),
        ({"none": [{"any": [{"tag": "cat"}, {"tag": "dog"}]}]}, "-(cat OR dog)"),
        ({"at_least": {"n": 2, "of": [{"tag": "a"}, {"tag": "b"}, {"none": [{"tag": "c"}]}]}}, "2-of:(a b -c)"),
        ({"width": 1920}, "width:1920"),
        ({"width": 1920.0}, "width:1920"),
        ({"ratio": 1.5}, "ratio:1.5"),
        ({"width": {"gte": 100, "lte": 200}}, "width:100..200"),
        ({"width": {"gt": 100, "lt": 200}}, "width:>100 width:<200"),
        ({"date": {"gte": "2026-03", "lt": "2026-07"}}, "date:>=2026-03 date:<2026-07"),
        ({"date": "7d.."}, "date:7d.."),
        ({"type": {"in": ["png", "gif", "PNG"]}}, "type:png,gif"),
        ({"size": {"in": [5, "1kb..2kb"], "gt": "1mb"}}, "size:>1mb size:5,1kb..2kb"),
        ({"name": "a, (b)*"}, 'name:"a, (b)*"'),
    ],
)
def test_filters_have_a_canonical_text(document: dict[str, Any], text: str) -> None:
    assert format_query(parse_filter(document)) == text


def nested(levels: int, group: str = "all") -> dict[str, Any]:
    document: dict[str, Any] = {"tag": "cat"}
    for _ in range(levels):
        document = {group: [document]}
    return document


@pytest.mark.parametrize(
    ("document", "pointer", "meant"),
    [
        (None, "", None),
        ([], "", None),
        ("cat", "", None),
        ({"tagg": "cat"}, "/tagg", "tag"),
        ({"all": [{"tag": "cat"}, {"heigth": 5}]}, "/all/1/heigth", "height"),
        ({"a~b/c": 1}, "/a~0b~1c", None),
        ({"tag": 5}, "/tag", None),
        ({"tag": None}, "/tag", None),
        ({"tag": ""}, "/tag", None),
        ({"tag": "hot d*"}, "/tag", None),
        ({"tag": "width:5*"}, "/tag", None),
        ({"all": []}, "/all", None),
        ({"any": {"tag": "cat"}}, "/any", None),
        ({"none": [{}]}, "/none/0", None),
        ({"none": ["cat"]}, "/none/0", None),
        ({"at_least": [1]}, "/at_least", None),
        ({"at_least": {"n": 3, "of": [{"tag": "a"}]}}, "/at_least/n", None),
        ({"at_least": {"n": True, "of": [{"tag": "a"}]}}, "/at_least/n", None),
        ({"at_least": {"n": 1, "off": []}}, "/at_least/off", "of"),
        ({"at_least": {"n": 1}}, "/at_least/of", None),
        ({"width": True}, "/width", None),
        ({"width": -5}, "/width", None),
        ({"width": 10**400}, "/width", None),
        ({"width": 1.5}, "/width", None),
        ({"width": {}}, "/width", None),
        ({"width": {"gte": 1, "gt": 2}}, "/width/gte", None),
        ({"width": {"gtee": 1}}, "/width/gtee", "gte"),
        ({"width": {"gt": "=5"}}, "/width/gt", None),
        ({"width": {"gt": "5..7"}}, "/width/gt", None),
        ({"width": {"gte": "", "lte": 5}}, "/width/gte", None),
        ({"width": {"in": [1, "x"]}}, "/width/in/1", None),
        ({"width": {"in": []}}, "/width/in", None),
        ({"width": {"in": list(range(51))}}, "/width/in", None),
        ({"type": {"gt": "png"}}, "/type/gt", None),
        ({"type": 5}, "/type", None),
        ({"type": "pngg"}, "/type", "png"),
        ({"name": 'a"b'}, "/name", None),
        ({"name": "x" * 5000}, "/name", None),
        ({"date": {"lte": "2026-13"}}, "/date/lte", None),
        (nested(MAX_DEPTH + 1), "/all/0" * MAX_DEPTH + "/all", None),
        (nested(400, "none"), "/none/0" * MAX_DEPTH + "/none", None),
        ({"any": [{"tag": "cat"}] * (MAX_TERMS + 1)}, f"/any/{MAX_TERMS}/tag", None),
        ({"any": [{"name": "ü" * 250 + str(number)} for number in range(20)]}, "", None),
    ],
)
def test_an_invalid_filter_is_refused_with_its_place(document: Any, pointer: str, meant: str | None) -> None:
    with pytest.raises(InvalidQuery) as refused:
        parse_filter(document)
    assert refused.value.extras["pointer"] == f"/filter{pointer}"
    assert refused.value.extras["expected"]
    assert refused.value.extras.get("did_you_mean") == meant


def test_groups_may_be_nested_as_deep_as_in_a_text() -> None:
    assert parse_filter(nested(MAX_DEPTH)) == ast.Tag("cat")


SCALARS = (
    None,
    True,
    0,
    -1,
    7,
    1.5,
    1e300,
    10**30,
    "",
    "cat",
    "5",
    ">5",
    "1..",
    "png",
    "2026",
    "a*b",
    "*",
    "\x00",
    "é" * 9,
)


def any_value(dice: random.Random, depth: int = 0) -> Any:
    """Return a random JSON value with the names of members."""
    match dice.randrange(4 if depth < 6 else 1):
        case 0 | 1:
            return dice.choice(SCALARS)
        case 2:
            return [any_value(dice, depth + 1) for _ in range(dice.randrange(4))]
    names = (*KEYS, *KEYS, *COMPARISONS, "in", "n", "of", "x")
    return {dice.choice(names): any_value(dice, depth + 1) for _ in range(dice.randrange(1, 4))}


def canonical(document: Any) -> str | None:
    """Return the canonical text of a filter; None for an invalid one."""
    try:
        return format_query(parse_filter(document))
    except (InvalidQuery, ValidationFailed):
        return None


def test_any_document_is_a_query_or_an_invalid_one() -> None:
    dice = random.Random(1)
    texts = [text for _ in range(10_000) if (text := canonical(any_value(dice))) is not None]
    assert len(texts) > 30
    assert [format_query(parse(text)) for text in texts] == texts


async def search(client: httpx.AsyncClient, method: str = "POST", **body: Any) -> httpx.Response:
    return await client.request(method, SEARCH if method == "POST" else "/v1/images", json=body)


@pytest.mark.parametrize("method", ["POST", "QUERY"])
async def test_text_and_filter_have_the_same_pages_and_cursors(
    user: Account, client: httpx.AsyncClient, method: str
) -> None:
    for number in range(5):
        await upload(user, "cat", *(["dog"] if number % 2 else []), visibility="public" if number else "private")
    document = {"tag": "cat", "none": [{"tag": "horse"}]}
    for caller in (client, user.client):
        text = await read(caller, "/v1/images", q="cat -horse", count="exact", limit=2, sort="size")
        page = await search(caller, method, filter=document, count="exact", limit=2, sort="size")
        first = page.json()
        assert first == {**text, "next_cursor": first["next_cursor"]}
        assert page.headers["cache-control"] == "no-store"
        linked = (await caller.get(page.headers["link"].split(">")[0][1:])).json()
        second = await read(caller, "/v1/images", q="cat -horse", limit=2, sort="size", cursor=first["next_cursor"])
        again = await search(caller, method, filter=document, limit=2, sort="size", cursor=text["next_cursor"])
        assert again.json()["items"] == second["items"] == linked["items"] != text["items"]
        refused = await search(caller, method, filter={"tag": "cat"}, limit=2, sort="size", cursor=text["next_cursor"])
        problem(refused, 400, "invalid-cursor")


async def test_an_empty_filter_and_an_empty_body_match_all_images(user: Account, client: httpx.AsyncClient) -> None:
    image = await upload(user, "cat")
    bodies: list[dict[str, Any]] = [{}, {"filter": {}}, {"filter": {"tag": "*"}}]
    for body in bodies:
        page = (await search(client, **body)).json()
        assert (page["query"], [one["id"] for one in page["items"]]) == ("", [image["id"]])


async def test_errors_of_a_filter_are_problems_with_a_pointer(client: httpx.AsyncClient) -> None:
    document = problem(await search(client, filter={"all": [{"tagg": "x"}]}), 400, "invalid-query")
    assert (document["pointer"], document["did_you_mean"]) == ("/filter/all/0/tagg", "tag")
    document = problem(await search(client, limti={}), 422, "validation-error")
    assert document["did_you_mean"] == "limit"
    document = problem(await search(client, filter={"tag": "a\0b"}), 422, "validation-error")
    assert document["errors"][0]["loc"] == ["body", "filter", "tag"]
    problem(await search(client, filter={"uploader": "me"}), 401, "unauthenticated")


async def test_a_query_has_the_headers_of_its_method(client: httpx.AsyncClient) -> None:
    for response in (await client.options("/v1/images"), await client.put("/v1/images")):
        assert response.headers["allow"] == "GET, HEAD, POST, QUERY"
        assert response.headers["accept-query"] == "application/json"
    assert (await client.get("/v1/images")).headers["accept-query"] == "application/json"
    refused = await client.request("QUERY", "/v1/images", content="cat")
    problem(refused, 415, "unsupported-media-type")
    assert refused.headers["accept-query"] == "application/json"
    problem(await client.request("QUERY", "/v1/images"), 422, "validation-error")
    problem(await client.request("QUERY", "/v1/tags"), 405, "method-not-allowed")


@pytest.mark.parametrize(("scope", "status"), [("read", 200), ("write", 403)])
async def test_the_scope_read_is_required_and_sufficient(
    user: Account, database: Database, scope: str, status: int
) -> None:
    key = await add_api_key(database, user, scope)
    for method in ("POST", "QUERY"):
        response = await user.client.request(
            method,
            SEARCH if method == "POST" else "/v1/images",
            json={"filter": {"tag": "cat"}},
            headers={"Authorization": f"Bearer {key}"},
        )
        assert response.status_code == status


HOSTILE = {
    "nesting": b'{"filter":' + b'{"all":[' * 400 + b"]}" * 400 + b"}",
    "deep nesting": b'{"filter":' + b"[" * 100_000,
    "a large list": b'{"filter": {"any": [' + b",".join([b'{"tag":"a"}'] * 60_000) + b"]}}",
    "many values": b'{"filter": {"width": {"in": [' + b",".join([b"1"] * 100_000) + b"]}}}",
    "wide and deep": b'{"filter": ' + b"[" * 400 + b"1," * 200_000 + b"1" + b"]" * 400 + b"}",
    "a long key": b'{"filter": {"' + b"x" * 500_000 + b'": 1}}',
    "a long tag": b'{"filter": {"tag": "' + b"e\xcc\x81" * 300_000 + b'"}}',
    "a repeated member": b'{"filter": {"tag": "a", "tag": "b"}}',
    "NaN": b'{"filter": {"width": NaN}}',
    "infinity": b'{"filter": {"width": 1e999}}',
    "a large number": b'{"filter": {"width": ' + b"9" * 4300 + b"}}",
    "a number without end": b'{"filter": {"width": ' + b"9" * 100_000 + b"}}",
    "a lone surrogate": b'{"filter": {"tag": "\\ud800"}}',
    "a lone surrogate as a key": b'{"filter": {"\\ud800": 1}}',
    "NUL": b'{"filter": {"name": "\\u0000"}}',
    "a control character as a key": b'{"filter": {"\\u0000": {"\\u0007": 1}}}',
    "null": b"null",
    "a list": b"[]",
    "wrong types": b'{"filter": {}, "sort": 5, "count": [], "limit": "x", "cursor": {}}',
    "a float as a limit": b'{"limit": 1e300}',
}


async def test_hostile_bodies_are_refused(client: httpx.AsyncClient) -> None:
    headers = {"Content-Type": "application/json"}
    for name, body in HOSTILE.items():
        for method, path in (("POST", SEARCH), ("QUERY", "/v1/images")):
            response = await client.request(method, path, content=body, headers=headers)
            assert response.status_code in (400, 422), (name, response.text[:200])
            assert len(response.content) < 20_000, name
            json.loads(response.content)


def test_every_filter_is_a_member() -> None:
    assert set(FILTER_NAMES) < set(KEYS)
