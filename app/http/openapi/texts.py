"""Texts of the OpenAPI document that follow from its structure."""

from typing import Any

_REFERENCE = "#/components/schemas/"
_UNNAMED = "Successful Response"
_BY_STATUS = {
    "200": "The result.",
    "201": "The new resource.",
    "202": "The request was accepted.",
    "204": "The change was made. The response has no body.",
    "302": "A redirect to the next page of the flow.",
}
_PATH_PARAMETERS = {
    "key_id": "The id of the API key.",
    "user_id": "The id of the account.",
    "provider": "The name of the identity provider, as in `GET /v1/auth/social`.",
    "tag": "The name of the tag, or an alias of it.",
}


def describe(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Describe the successful responses and the path parameters that have no text of their own."""
    for status, response in operation["responses"].items():
        if response.get("description") == _UNNAMED:
            response["description"] = _model_text(response, schemas) or _BY_STATUS[status]
    for parameter in operation.get("parameters", ()):
        if parameter.get("in") == "path" and "description" not in parameter:
            parameter["description"] = _PATH_PARAMETERS.get(parameter["name"], _default_text(parameter["name"]))


def _default_text(name: str) -> str:
    noun = name.removesuffix("_id").replace("_", " ")
    return f"The id of the {noun}." if name.endswith("_id") else f"The name of the {noun}."


def _model_text(response: dict[str, Any], schemas: dict[str, Any]) -> str | None:
    """Return the first sentence of the model's description."""
    schema = response.get("content", {}).get("application/json", {}).get("schema", {})
    model = schemas.get(schema.get("$ref", "").removeprefix(_REFERENCE), {})
    text = str(model.get("description", "")).partition("\n\n")[0].partition(". ")[0]
    return f"{text.removesuffix('.')}." if text else None
