"""What the OpenAPI document says beyond the routes."""

from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from app.http.problems import MEDIA_TYPE, Problem

DESCRIPTION = """
Stores images and finds them by their tags.

* **Errors** are RFC 9457 problem documents (`application/problem+json`) with the request's id.
* **Lists** take `limit` and an opaque `cursor`, and tell the next page in `next_cursor` and a `Link` header.
* **Authentication**: `Authorization: Bearer <access token>`; the Authorize button takes e-mail and password.
* Every answer has an `X-Request-ID`; a sane incoming one is kept.
"""

TAGS = [
    {"name": "users", "description": "Accounts."},
    {"name": "auth", "description": "Access and refresh tokens, social login."},
    {"name": "images", "description": "Upload, find, fetch, tag and delete images."},
    {"name": "tags", "description": "The vocabulary: names, aliases, implications."},
    {"name": "operations", "description": "Health, metrics, and what the request log says."},
]


# What any route may answer beside what it lists: FastAPI takes the model from here into the document's components.
ANY_ERROR: dict[int | str, dict[str, Any]] = {
    "default": {"model": Problem, "description": "Any other error, as a problem document"}
}


def install_openapi(app: FastAPI) -> None:
    """Have the document say that errors are problem documents: FastAPI takes every model for plain JSON."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            for operations in generate()["paths"].values():
                for operation in operations.values():
                    content = operation["responses"].get("default", {}).get("content", {})
                    if "application/json" in content:
                        content[MEDIA_TYPE] = content.pop("application/json")
        return generate()

    app.openapi = openapi  # type: ignore[method-assign]


def operation_id(route: APIRoute) -> str:
    """Name the operation as the function that serves it: `upload_image`."""
    return route.name
