"""The comparison with the last release finds the changes that break a client, and no others."""

import copy
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tools.compatibility import breaking_changes, check, contract

TODAY = date(2027, 6, 2)
DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"version": "1.0.0"},
    "components": {
        "schemas": {
            "NewThing": {
                "type": "object",
                "properties": {
                    "name": {"type": "string", "maxLength": 10},
                    "kind": {"type": "string", "enum": ["a", "b"]},
                    "note": {"anyOf": [{"type": "string", "maxLength": 5}, {"type": "null"}]},
                },
                "required": ["name"],
                "additionalProperties": False,
            },
            "Thing": {
                "type": "object",
                "properties": {
                    "id": {"type": "integer", "format": "int64"},
                    "children": {"type": "array", "items": {"$ref": "#/components/schemas/Thing"}},
                    "description": {"type": "string", "description": "A text."},
                },
                "required": ["id"],
            },
        }
    },
    "paths": {
        "/things": {
            "get": {
                "parameters": [{"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 100}}],
                "responses": {
                    "200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}},
                    "404": {"description": "None."},
                },
                "security": [{}, {"Bearer": []}],
            },
            "post": {
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/NewThing"}}}},
                "responses": {"201": {"description": "Created."}},
            },
        }
    },
}
Change = Callable[[dict[str, Any]], object]


def get(document: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = document["paths"]["/things"]["get"]
    return operation


def post(document: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = document["paths"]["/things"]["post"]
    return operation


def member(document: dict[str, Any], schema: str) -> dict[str, Any]:
    found: dict[str, Any] = document["components"]["schemas"][schema]
    return found


def compare(change: Change, base: dict[str, Any] = DOCUMENT) -> list[str]:
    changed = copy.deepcopy(base)
    change(changed)
    return breaking_changes(base, changed, TODAY)


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (lambda d: d["paths"].pop("/things"), "GET /things: removed"),
        (lambda d: d["paths"]["/things"].pop("post"), "POST /things: removed"),
        (lambda d: get(d).pop("parameters"), "parameter query limit removed"),
        (lambda d: get(d)["parameters"][0].update(required=True), "limit became required"),
        (
            lambda d: get(d)["parameters"].append({"name": "x", "in": "query", "required": True, "schema": {}}),
            "required parameter query x added",
        ),
        (lambda d: get(d)["parameters"][0]["schema"].update(maximum=50), "narrower maximum"),
        (lambda d: get(d)["parameters"][0]["schema"].update(minimum=1), "new minimum"),
        (lambda d: get(d)["parameters"][0]["schema"].update(type="string"), "changed its type: integer"),
        (lambda d: get(d).update(security=[{"Bearer": []}]), "credentials became required"),
        (lambda d: get(d)["responses"].pop("200"), "response 200 removed"),
        (lambda d: get(d)["responses"]["200"]["content"].clear(), "response 200 of application/json removed"),
        (lambda d: post(d)["requestBody"]["content"].clear(), "body of application/json removed"),
        (lambda d: post(d)["requestBody"].update(required=True), "body became required"),
        (lambda d: member(d, "NewThing")["properties"].pop("kind"), "body.kind removed"),
        (lambda d: member(d, "NewThing")["required"].append("kind"), "body.kind became required"),
        (lambda d: member(d, "NewThing")["properties"]["kind"]["enum"].pop(), "body.kind refuses b"),
        (lambda d: member(d, "NewThing")["properties"]["name"].update(maxLength=9), "narrower maxLength"),
        (lambda d: member(d, "NewThing")["properties"]["name"].update(pattern="a"), "another pattern"),
        (lambda d: member(d, "NewThing")["properties"]["note"]["anyOf"].pop(), "body.note changed its type: NoneType"),
        (lambda d: member(d, "NewThing")["properties"]["note"]["anyOf"][0].update(maxLength=4), "narrower maxLength"),
        (lambda d: member(d, "Thing")["properties"].pop("description"), "response 200.description removed"),
        (lambda d: member(d, "Thing")["required"].clear(), "response 200.id became optional"),
        (lambda d: member(d, "Thing")["properties"]["id"].update(type="string"), "response 200.id changed its type"),
        (lambda d: member(d, "Thing")["properties"]["id"].update(format="int32"), "response 200.id has another format"),
        (lambda d: member(d, "NewThing")["properties"]["name"].update(format="uuid"), "body.name has another format"),
    ],
)
def test_a_breaking_change_is_found(change: Change, finding: str) -> None:
    assert any(finding in line for line in compare(change)), compare(change)


def test_a_body_that_is_closed_to_further_members_is_found() -> None:
    base = copy.deepcopy(DOCUMENT)
    member(base, "NewThing").pop("additionalProperties")
    changes = compare(lambda d: member(d, "NewThing").update(additionalProperties=False), base)
    assert changes == ["POST /things: body refuses further members"]


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["paths"].update({"/new": {"get": {"responses": {}}}}),
        lambda d: get(d)["parameters"].append({"name": "x", "in": "query", "schema": {"type": "string"}}),
        lambda d: get(d)["parameters"][0]["schema"].update(maximum=200),
        lambda d: get(d)["responses"].pop("404"),
        lambda d: get(d)["responses"].update({"206": {}}),
        lambda d: member(d, "NewThing")["properties"].update(colour={"type": "string"}),
        lambda d: member(d, "NewThing")["properties"]["kind"]["enum"].append("c"),
        lambda d: member(d, "Thing")["properties"].update(size={"type": "integer"}),
        lambda d: member(d, "Thing")["properties"]["description"].update(description="Another text."),
        lambda d: post(d).update(deprecated=True),
    ],
)
def test_an_addition_breaks_no_client(change: Change) -> None:
    assert compare(change) == []


@pytest.mark.parametrize(("sunset", "is_permitted"), [("2027-06-01", True), ("2027-06-30", False)])
def test_a_deprecated_operation_can_be_removed_after_its_sunset(sunset: str, *, is_permitted: bool) -> None:
    base = copy.deepcopy(DOCUMENT)
    post(base).update({"deprecated": True, "x-sunset": sunset})
    assert (compare(lambda d: d["paths"]["/things"].pop("post"), base) == []) is is_permitted


def test_the_contract_is_enough_for_the_comparison() -> None:
    stored = contract(DOCUMENT)
    assert breaking_changes(stored, DOCUMENT, TODAY) == []
    assert "description" in stored["components"]["schemas"]["Thing"]["properties"]
    assert "404" not in stored["paths"]["/things"]["get"]["responses"]


def test_an_accepted_change_passes_until_it_is_no_longer_found(tmp_path: Path) -> None:
    changed = copy.deepcopy(DOCUMENT)
    post(changed)["requestBody"]["required"] = True
    document = tmp_path / "openapi.json"
    document.write_text(json.dumps(changed))
    (tmp_path / "openapi-1.0.0.json").write_text(json.dumps(DOCUMENT))
    (tmp_path / "accepted.txt").write_text("# None.\n")
    assert not check(document, tmp_path)
    (tmp_path / "accepted.txt").write_text("POST /things: body became required\n")
    assert check(document, tmp_path)
    document.write_text(json.dumps(DOCUMENT))
    assert not check(document, tmp_path)
