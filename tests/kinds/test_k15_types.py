"""K15: a JSON body takes the types that its schema declares, and no other that could be converted to them."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.http.problem_documents import problem
from tests.support.accounts import Account
from tests.support.openapi import DOCUMENT

pytestmark = pytest.mark.integration

SCHEMAS = DOCUMENT["components"]["schemas"]
CONVERTIBLE: dict[str, tuple[Any, ...]] = {
    "boolean": ("true", 1),
    "integer": ("1", True),
    "date-time": (4e9, "4000000000"),
}


def fields() -> Iterator[tuple[str, str, str, str]]:
    """Yield method, path, field and type of each field of a body that could be converted to."""
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            body = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if body is None or "$ref" not in body["schema"]:
                continue
            for name, field in SCHEMAS[body["schema"]["$ref"].rpartition("/")[2]]["properties"].items():
                for choice in field.get("anyOf", [field]):
                    kind = choice.get("format", choice.get("type"))
                    if kind in CONVERTIBLE:
                        yield method, path, name, kind


async def test_k15_no_value_of_another_type_is_converted(admin: Account) -> None:
    checked = 0
    for method, path, name, kind in fields():
        operation = DOCUMENT["paths"][path][method]
        parameters = operation.get("parameters", ())
        url = path.format_map({one["name"]: one["example"] for one in parameters if one.get("in") == "path"})
        example = operation["requestBody"]["content"]["application/json"]["example"]
        for value in CONVERTIBLE[kind]:
            response = await admin.client.request(method, url, json={**example, name: value})
            errors = problem(response, 422, "validation-error")["errors"]
            assert ["body", name] in [one["loc"] for one in errors], (method, path, name, value)
            checked += 1
    assert checked > 4


@pytest.mark.parametrize("value", ["0.5", "4000000000", "2026-11-22", "2026-11-22T10:00:00"])
async def test_k15_a_time_in_a_query_has_one_form(admin: Account, value: str) -> None:
    for path in ("/v1/ops/requests", "/v1/ops/metrics", "/v1/ops/audit"):
        problem(await admin.client.get(path, params={"until": value}), 422, "validation-error")
        assert (await admin.client.get(path, params={"until": "2026-11-22T10:00:00.5+01:00"})).status_code == 200
