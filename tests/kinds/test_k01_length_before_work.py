"""K1: the length of a text is checked as it was sent, before it is normalized, matched or parsed."""

import ast
import asyncio
import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts

from app.core import passwords
from app.core.text import email_addresses, tag_names, timestamps
from app.images.upload.filenames import normalize_name
from app.media.metadata.photo_metadata import clean_name
from app.search.language.parser import parse
from app.users.accounts import password_policy
from app.users.accounts.email import account_name
from tests.support.accounts import Account
from tests.support.openapi import APP, DOCUMENT
from tests.support.paths import ROOT

pytestmark = pytest.mark.integration

MARKS = "\u0315\u0300"
UNITS = {"marks": MARKS, "spaces": " ", "digits": "7", "parentheses": "("}
PLACES = ("path_params", "query_params", "header_params", "cookie_params", "body_params")
# All functions that normalize text, each with a call that accepts text of any length.
NORMALIZERS: dict[str, Callable[[str], object]] = {
    "app/core/text/tag_names.py:fold_tag": tag_names.normalize_tag,
    "app/core/text/tag_names.py:tag_from_text": tag_names.tag_from_text,
    "app/core/text/email_addresses.py:email_key": email_addresses.email_key,
    "app/core/passwords.py:normalize": password_policy.check_new_password,
    "app/images/upload/filenames.py:normalize_name": normalize_name,
    "app/media/metadata/photo_metadata.py:clean_name": lambda text: clean_name(text, 255),
    "app/search/language/filters.py:_normalize_glob": lambda text: parse(f'name:"{text}"'),
}
# Other parsers of text in requests.
CALLS: dict[str, Callable[[str], object]] = {
    **NORMALIZERS,
    "an e-mail address": lambda text: account_name(f"{text}@x.de"),
    "a tag pattern": lambda text: tag_names.normalize_tag_pattern(f"{text}*"),
    "a list of tags": tag_names.split_tags,
}


def request_fields(dependant: Dependant) -> Iterator[tuple[str, Any]]:
    """Yield the inputs of a route: the place, and the schema that validates it."""
    for place in PLACES:
        for field in getattr(dependant, place):
            yield f"{place} {field.name}", field._type_adapter.core_schema
    for dependency in dependant.dependencies:
        yield from request_fields(dependency)


def checks_length(function: Any) -> bool:
    """Return whether a validator is known to check the length first."""
    return isinstance(function, dict) and function.get("function") is timestamps._refuse_other_forms


def unbounded(schema: Any, path: str) -> Iterator[str]:
    """Yield the strings of a schema without a limit, and the validators that run before one."""
    if isinstance(schema, list | tuple):
        for one in schema:
            yield from unbounded(one, path)
    elif isinstance(schema, dict):
        kind = schema.get("type")
        if kind == "str" and "max_length" not in schema:
            yield path
        if kind in ("function-before", "function-wrap", "function-plain") and not checks_length(schema["function"]):
            yield f"{path} ({kind})"
        for name, one in schema.items():
            if name not in ("serialization", "metadata"):
                yield from unbounded(one, f"{path}.{name}" if isinstance(one, dict) and "schema" in one else path)


def test_f1_every_string_of_every_operation_has_its_limit_before_its_validators() -> None:
    wrong, seen = set[str](), 0
    for route in iter_route_contexts(APP.routes):
        if isinstance(route.original_route, APIRoute):
            for place, schema in request_fields(route.original_route.dependant):
                seen += 1
                wrong |= {f"{route.path} {where}" for where in unbounded(schema, place)}
    assert seen > 50
    assert sorted(wrong) == []


def test_f1_the_checker_sees_a_validator_before_its_limit() -> None:
    after = {"type": "function-after", "schema": {"type": "str"}, "function": {}}
    assert list(unbounded(after, "x")) == ["x"]
    assert not list(unbounded({**after, "schema": {"type": "str", "max_length": 3}}, "x"))


def normalizing_functions() -> Iterator[str]:
    for path in sorted(Path(ROOT, "app").rglob("*.py")):
        text = path.read_text()
        for function in ast.walk(ast.parse(text)) if "normalize" in text else ():
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and any(
                isinstance(node, ast.Attribute) and node.attr == "normalize" for node in ast.walk(function)
            ):
                yield f"{path.relative_to(ROOT)}:{function.name}"


def test_f1_every_function_that_normalises_is_known_here() -> None:
    assert set(normalizing_functions()) == set(NORMALIZERS)
    assert passwords.normalize("a") == "a"


@pytest.mark.parametrize("unit", UNITS.values(), ids=UNITS)
@pytest.mark.parametrize("function", CALLS.values(), ids=CALLS)
def test_f1_normalising_takes_no_more_than_linear_time(function: Callable[[str], object], unit: str) -> None:
    def measure(size: int) -> float:
        text = unit[0] * (size // 2) + unit[-1] * (size // 2)
        started = time.thread_time()
        with suppress(Exception):
            function(text)
        return time.thread_time() - started

    measure(1000)
    small, large = measure(1 << 14), measure(1 << 16)
    assert large < max(4.5 * small, 0.1)


class Stalls:
    """The longest time for which the thread of the event loop computed without a pause."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def watch(self) -> None:
        last = time.thread_time()
        while True:
            await asyncio.sleep(0)
            now = time.thread_time()
            self.longest, last = max(self.longest, now - last), now


def hostile_value(schema: dict[str, Any], schemas: dict[str, Any], unit: str, size: int) -> Any:
    """Return a value for the schema in which every string is hostile."""
    if "$ref" in schema:
        return hostile_value(schemas[schema["$ref"].rsplit("/", 1)[1]], schemas, unit, size)
    if options := schema.get("anyOf"):
        return hostile_value(options[0], schemas, unit, size)
    if properties := schema.get("properties"):
        share = size // len(properties)
        return {name: hostile_value(one, schemas, unit, share) for name, one in properties.items()}
    if schema.get("type") == "array":
        # Many items of the largest size that is accepted.
        item = unit * (120 // len(unit))
        return [f"{number}{item}" for number in range(min(size // 250, 450))] or [item]
    if schema.get("type") == "string":
        return unit * (size // len(unit) // 2)
    return 1


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method in ("get", "post", "put", "patch", "delete"):
                yield method, path, operation


def requests_for(method: str, path: str, operation: dict[str, Any], unit: str) -> Iterator[dict[str, Any]]:
    """Yield requests for an operation, with strings as long as the protocol permits."""
    schemas = DOCUMENT["components"]["schemas"]
    named = {one["name"]: one for one in operation.get("parameters", ()) if "name" in one}
    places = {where: [n for n, one in named.items() if one["in"] == where] for where in ("path", "query", "header")}
    # The longest that fits the request head, percent-encoded.
    long = unit * (40_000 // len(quote(unit, safe="")))
    ids = {name: str(uuid.uuid4()) for name in places["path"] if named[name]["schema"].get("format") == "uuid"}
    url = path.format_map({name: ids.get(name, "x") for name in places["path"]})
    yield {"method": method, "url": path.format_map({name: ids.get(name, long) for name in places["path"]})}
    if places["query"]:
        share = long[: len(long) // len(places["query"])]
        yield {"method": method, "url": url, "params": dict.fromkeys(places["query"], share)}
    value = b"x" + unit.encode() * (30_000 // len(unit.encode())) + b"x"
    for name in {*places["header"], "If-None-Match", "X-Request-ID", "Accept"}:
        yield {"method": method, "url": url, "headers": {name: value}}
    content = operation.get("requestBody", {}).get("content", {})
    for media_type, body in content.items():
        value = hostile_value(body["schema"], schemas, unit, 1_000_000)
        if media_type == "application/json":
            content_bytes = json.dumps(value, ensure_ascii=False).encode()[:1_040_000]
            yield {"method": method, "url": url, "content": content_bytes}
        elif media_type == "application/x-www-form-urlencoded":
            short = {name: unit * (40_000 // len(unit)) for name in value}
            yield {"method": method, "url": url, "data": {**short, "grant_type": "password"}}


@pytest.mark.parametrize("unit", UNITS.values(), ids=UNITS)
async def test_f1_no_text_of_a_request_stalls_the_service(admin: Account, unit: str) -> None:
    stalls = Stalls()
    watcher = asyncio.create_task(stalls.watch())
    found = []
    for method, path, operation in operations(DOCUMENT):
        for one in requests_for(method, path, operation, unit):
            if path == "/v1/users/me" and method == "delete":
                continue
            request = admin.client.build_request(**{"headers": {"Content-Type": "application/json"}, **one})
            longest: list[float] = []
            # A stall is measured a second time: other load causes one, quadratic work causes both.
            while not longest or (longest[-1] > 0.4 and len(longest) < 2):
                await asyncio.sleep(0)
                stalls.longest = 0.0
                response = await admin.client.send(request)
                longest.append(stalls.longest)
            found.append((round(min(longest), 3), method, path, response.status_code))
    watcher.cancel()
    assert [one for one in found if one[3] == 500] == []
    # Quadratic work on any of these took seconds; the client computes in the same thread.
    assert [one for one in found if one[0] > 0.4] == []


async def test_f1_combining_marks_are_refused_at_once(
    client: httpx.AsyncClient, user: Account, admin: Account, photo: bytes
) -> None:
    name = "a" + "\u0315" * 50_000 + "\u0300" * 50_000
    short = name[:10_000]
    stalls = Stalls()
    watcher = asyncio.create_task(stalls.watch())
    responses = [
        await user.client.post("/v1/tags", json={"names": [name]}),
        await user.client.post("/v1/tags", json={"names": [name[:200] + str(number) for number in range(400)]}),
        await admin.client.patch("/v1/tags/cat", json={"name": name}),
        await client.get(f"/v1/tags/{short}"),
        await client.get("/v1/tags", params={"prefix": short}),
        await user.client.post("/v1/images", files={"image": ("a.png", photo)}, data={"tags": name[:30_000]}),
        await user.client.post("/v1/images", files={"image": ("a.png", photo)}, data={"tags": "a,A," * 16_000}),
        await user.client.post("/v1/images", files={"image": (name[:2_000], photo)}),
    ]
    watcher.cancel()
    assert [one.status_code for one in responses] == [422] * len(responses)
    assert stalls.longest < 0.4
