"""Compares docs/openapi.json with the document of the last release, and reports the changes that break clients.

`docs/releases/` has that document and `accepted.txt`, with a reported line for each change that is intended. The rules
are those of docs/decisions/0026.
"""

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, TypeAlias

ROOT = Path(__file__).resolve().parents[1]
RELEASES = ROOT / "docs" / "releases"
ACCEPTED = "accepted.txt"
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace", "query")
# Limits of values, and whether a greater number accepts more values.
_LIMITS = {
    **dict.fromkeys(("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"), True),
    **dict.fromkeys(("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"), False),
}

# Members of a document that are no part of the contract.
_TEXTS = {"description", "summary", "title", "example", "examples", "headers", "tags", "operationId"}

Json: TypeAlias = dict[str, Any]


def breaking_changes(old: Json, new: Json, today: date) -> list[str]:
    """Return a line for each change of the API that can break a client of the old document."""
    comparison = _Comparison(old, new)
    lines = []
    for path, item in old["paths"].items():
        for method in METHODS:
            if method in item:
                operation = new["paths"].get(path, {}).get(method)
                name = f"{method.upper()} {path}"
                if operation is not None:
                    lines += [f"{name}: {line}" for line in comparison.operation(item[method], operation)]
                elif not _is_past_sunset(item[method], today):
                    lines.append(f"{name}: removed")
    return sorted(set(lines))


def _is_past_sunset(operation: Json, today: date) -> bool:
    """Return whether the operation was announced as deprecated, with a sunset that has passed."""
    sunset = operation.get("x-sunset")
    return bool(operation.get("deprecated") and sunset and date.fromisoformat(sunset) <= today)


def _is_open(operation: Json) -> bool:
    """Return whether the operation can be called without credentials."""
    alternatives = operation.get("security", [])
    return not alternatives or {} in alternatives


@dataclass(frozen=True, slots=True)
class _Comparison:
    """Two documents. A request may accept more than before, a response may contain more than before."""

    old: Json
    new: Json

    def operation(self, old: Json, new: Json) -> Iterator[str]:
        """Yield the breaking changes of an operation."""
        yield from self._parameters(old, new)
        yield from self._body(old, new)
        yield from self._responses(old, new)
        if _is_open(old) and not _is_open(new):
            yield "credentials became required"

    def _parameters(self, old: Json, new: Json) -> Iterator[str]:
        before, after = self._by_name(self.old, old), self._by_name(self.new, new)
        for name, parameter in before.items():
            if name not in after:
                yield f"parameter {name} removed"
                continue
            if after[name].get("required") and not parameter.get("required"):
                yield f"parameter {name} became required"
            yield from self._request(parameter["schema"], after[name]["schema"], f"parameter {name}", ())
        yield from (
            f"required parameter {name} added"
            for name, parameter in after.items()
            if name not in before and parameter.get("required")
        )

    def _by_name(self, document: Json, operation: Json) -> dict[str, Json]:
        resolved = [_resolve(document, one) for one in operation.get("parameters", ())]
        return {f"{one['in']} {one['name']}": one for one in resolved}

    def _body(self, old: Json, new: Json) -> Iterator[str]:
        before: Json = old.get("requestBody", {})
        after: Json = new.get("requestBody", {})
        if after.get("required") and not before.get("required"):
            yield "body became required"
        for kind, content in before.get("content", {}).items():
            if kind not in after.get("content", {}):
                yield f"body of {kind} removed"
            else:
                yield from self._request(content["schema"], after["content"][kind]["schema"], "body", ())

    def _responses(self, old: Json, new: Json) -> Iterator[str]:
        for status, response in old["responses"].items():
            if not status.startswith(("2", "3")):
                continue
            if status not in new["responses"]:
                yield f"response {status} removed"
                continue
            after = new["responses"][status].get("content", {})
            for kind, content in response.get("content", {}).items():
                if kind not in after:
                    yield f"response {status} of {kind} removed"
                elif "schema" in content:
                    yield from self._response(content["schema"], after[kind]["schema"], f"response {status}", ())

    def _request(self, old: Json, new: Json, place: str, seen: tuple[tuple[str, str], ...]) -> Iterator[str]:
        """Yield the values that the old schema accepts and the new one refuses."""
        step = (old.get("$ref", ""), new.get("$ref", ""))
        if any(step) and step in seen:
            return
        old, new, seen = _resolve(self.old, old), _resolve(self.new, new), (*seen, step)
        yield from _lost_types(old, new, place)
        old, new = _value(self.old, old), _value(self.new, new)
        yield from _narrowed(old, new, place)
        for name, schema in old.get("properties", {}).items():
            if name in new.get("properties", {}):
                yield from self._request(schema, new["properties"][name], f"{place}.{name}", seen)
            elif new.get("additionalProperties") is False:
                yield f"{place}.{name} removed"
        yield from (
            f"{place}.{name} became required" for name in set(new.get("required", ())) - set(old.get("required", ()))
        )
        if "items" in old and "items" in new:
            yield from self._request(old["items"], new["items"], f"{place}[]", seen)

    def _response(self, old: Json, new: Json, place: str, seen: tuple[tuple[str, str], ...]) -> Iterator[str]:
        """Yield the members that a client of the old schema may read and the new one does not guarantee."""
        step = (old.get("$ref", ""), new.get("$ref", ""))
        if any(step) and step in seen:
            return
        old, new, seen = _resolve(self.old, old), _resolve(self.new, new), (*seen, step)
        yield from _lost_types(new, old, place)
        old, new = _value(self.old, old), _value(self.new, new)
        if "format" in old and new.get("format") != old["format"]:
            yield f"{place} has another format"
        for name, schema in old.get("properties", {}).items():
            if name not in new.get("properties", {}):
                yield f"{place}.{name} removed"
                continue
            if name in old.get("required", ()) and name not in new.get("required", ()):
                yield f"{place}.{name} became optional"
            yield from self._response(schema, new["properties"][name], f"{place}.{name}", seen)
        if "items" in old and "items" in new:
            yield from self._response(old["items"], new["items"], f"{place}[]", seen)


def _resolve(document: Json, node: Json) -> Json:
    """Return the target of a reference, or the node itself."""
    while "$ref" in node:
        target: Any = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = target
    return node


def _value(document: Json, schema: Json) -> Json:
    """Return the only alternative of a schema that is not null, else the schema."""
    alternatives = [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]
    return _resolve(document, alternatives[0]) if len(alternatives) == 1 else schema


def _types(schema: Json) -> set[str] | None:
    """Return the JSON types of a schema; None if they are not named."""
    if "anyOf" in schema or "oneOf" in schema:
        types = [_types(one) for one in schema.get("anyOf") or schema["oneOf"]]
        return None if None in types else {one for some in types for one in some or ()}
    if "const" in schema or "enum" in schema:
        return {type(one).__name__ for one in schema.get("enum", [schema.get("const")])}
    kind = schema.get("type")
    return None if kind is None else {{"string": "str", "null": "NoneType"}.get(str(kind), str(kind))}


def _lost_types(old: Json, new: Json, place: str) -> Iterator[str]:
    """Yield the types of the first schema that the second one lacks."""
    before, after = _types(old), _types(new)
    if before is not None and after is not None and (lost := before - after):
        yield f"{place} changed its type: {', '.join(sorted(lost))}"


def _narrowed(old: Json, new: Json, place: str) -> Iterator[str]:
    """Yield the limits and enumerations that accept fewer values than before."""
    if "enum" in new and (lost := set(map(str, old.get("enum", ()))) - set(map(str, new["enum"]))):
        yield f"{place} refuses {', '.join(sorted(lost))}"
    for limit, is_upper in _LIMITS.items():
        if limit not in new or limit not in old:
            if limit in new and new[limit] != 0:
                yield f"{place} has a new {limit}"
            continue
        if new[limit] < old[limit] if is_upper else new[limit] > old[limit]:
            yield f"{place} has a narrower {limit}"
    for rule in ("pattern", "format"):
        if new.get(rule) and new[rule] != old.get(rule):
            yield f"{place} has another {rule}"
    if new.get("additionalProperties") is False and old.get("additionalProperties") is not False:
        yield f"{place} refuses further members"


def contract(document: Json) -> Json:
    """Return the parts of a document that `breaking_changes` compares, a fifteenth of its size."""
    kept = {"paths": _without_texts(document["paths"]), "components": _without_texts(document["components"])}
    for item in kept["paths"].values():
        for operation in item.values():
            responses = operation.get("responses", {})
            operation["responses"] = {code: one for code, one in responses.items() if code.startswith(("2", "3"))}
    return {"openapi": document["openapi"], "info": {"version": document["info"]["version"]}, **kept}


def _without_texts(node: Any, *, are_names: bool = False) -> Any:
    """Return the node without texts and examples; the keys of an object with `are_names` are names of the API."""
    if isinstance(node, dict):
        return {
            key: _without_texts(value, are_names=key in ("properties", "schemas", "parameters") and not are_names)
            for key, value in node.items()
            if are_names or key not in _TEXTS
        }
    return [_without_texts(one) for one in node] if isinstance(node, list) else node


def last_release(releases: Path) -> Path:
    """Return the document of the last release."""
    return max(releases.glob("openapi-*.json"), key=lambda path: [int(one) for one in re.findall(r"\d+", path.stem)])


def accepted_changes(releases: Path) -> set[str]:
    """Return the changes since the last release that are intended."""
    lines = (releases / ACCEPTED).read_text().splitlines()
    return {line for line in lines if line and not line.startswith("#")}


def check(document: Path, releases: Path) -> bool:
    """Return whether the document breaks no client, other than as accepted. Prints the findings."""
    released = last_release(releases)
    changes = breaking_changes(
        json.loads(released.read_text()), json.loads(document.read_text()), datetime.now(UTC).date()
    )
    accepted = accepted_changes(releases)
    unexpected = [line for line in changes if line not in accepted]
    unneeded = sorted(accepted - set(changes))
    print(*(f"breaks clients of {released.stem}: {line}" for line in unexpected), sep="\n", end="\n" * bool(unexpected))
    print(*(f"not found, remove from {ACCEPTED}: {line}" for line in unneeded), sep="\n", end="\n" * bool(unneeded))
    return not unexpected and not unneeded


def main() -> None:
    """Exit with 1 if the API breaks a client."""
    sys.exit(not check(ROOT / "docs" / "openapi.json", RELEASES))


if __name__ == "__main__":
    main()
