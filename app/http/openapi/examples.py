"""Adds request examples, which the documentation pages fill in.

Swagger UI reads the `example` of a parameter or a body, but not the `examples` of their schemas.
"""

import uuid
from typing import Any

_REFERENCE = "#/components/schemas/"
_ID = str(uuid.UUID("1f0c3a52-c7d4-11f0-9d7e-63c1c0a4b6f1"))
_BY_NAME = {"provider": "google"}


def add_examples(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Add an `example` to each required parameter and to the body of an operation."""
    for parameter in operation.get("parameters", ()):
        if parameter.get("required") and "example" not in parameter:
            schema = parameter["schema"]
            example = _ID if schema.get("format") == "uuid" else _example(schema, schemas)
            parameter["example"] = example or _BY_NAME.get(parameter["name"], "example")
    for content in operation.get("requestBody", {}).get("content", {}).values():
        if not {"example", "examples"} & content.keys():
            content["example"] = _example(content["schema"], schemas)


def _example(schema: dict[str, Any], schemas: dict[str, Any]) -> Any:
    """Return an example of a schema; None if it has none."""
    if "$ref" in schema:
        return _example(schemas[schema["$ref"].removeprefix(_REFERENCE)], schemas)
    if schema.get("examples"):
        return schema["examples"][0]
    if "properties" in schema:
        return _object_example(schema, schemas)
    if "enum" in schema:
        return schema["enum"][0]
    return schema.get("const", schema.get("default"))


def _object_example(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that have an example."""
    values = {name: _example(field, schemas) for name, field in schema["properties"].items()}
    return {name: value for name, value in values.items() if value is not None}
