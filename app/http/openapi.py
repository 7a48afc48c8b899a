"""What the OpenAPI document says beyond the routes.

A route lists what only it can answer. What follows from how it is made is told here, once: the errors of the guards
that it depends on, of its parameters and of its body, and the headers that go with each status (`app.http.headers`).
"""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.params import Form
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts

from app.core.errors import (
    AppError,
    MalformedBody,
    PayloadTooLarge,
    RequestTimeout,
    UnsupportedBodyType,
    ValidationFailed,
)
from app.http.headers import COMPONENTS, describe_headers
from app.http.problems import MEDIA_TYPE, Problem, add_problem, problems_of
from app.http.strict_route import StrictRoute

DESCRIPTION = """
Stores images and finds them by their tags.

* **Errors** are RFC 9457 problem documents (`application/problem+json`) with the request's id.
* **Lists** take `limit` and an opaque `cursor`, and tell the next page in `next_cursor` and a `Link` header.
* **Authentication**: `Authorization: Bearer <access token>`; the Authorize button takes e-mail and password.
* **Query parameters** are strict: an unknown one, or a single-valued one given twice, is 422 `validation-error`.
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
    """Have the document tell what follows from how each route is made."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = generate()
            document["components"] |= COMPONENTS
            for route in iter_route_contexts(app.routes):
                if isinstance(route.original_route, APIRoute) and route.include_in_schema:
                    for method in route.methods or ():
                        _complete(method, document["paths"][route.path_format][method.lower()], route)
            # For readers; the routers stand in the order in which they are asked.
            document["paths"] = dict(sorted(document["paths"].items(), key=_place))
        return generate()

    app.openapi = openapi  # type: ignore[method-assign]


def operation_id(route: APIRoute) -> str:
    """Name the operation as the function that serves it: `upload_image`."""
    return route.name


def _place(path: tuple[str, dict[str, Any]]) -> tuple[int, str]:
    """Return by what a path is sorted: its tag's place among TAGS, or behind them all, then its own name."""
    operation = next(iter(path[1].values()))
    names = [tag["name"] for tag in TAGS]
    return (names.index(operation["tags"][0]) if operation["tags"][0] in names else len(names)), path[0]


def _complete(method: str, operation: dict[str, Any], route: RouteContext) -> None:
    responses = operation["responses"]
    # FastAPI takes every model for plain JSON.
    content = responses["default"]["content"]
    content[MEDIA_TYPE] = content.pop("application/json")
    for error in _errors(operation, route):
        add_problem(responses, error)
    operation["responses"] = dict(sorted(responses.items()))
    describe_headers(method, operation)


def _errors(operation: dict[str, Any], route: RouteContext) -> Iterator[type[AppError]]:
    yield from _errors_of_guards(route.dependant)
    if isinstance(route.original_route, StrictRoute) or "parameters" in operation or "requestBody" in operation:
        yield ValidationFailed
    if route.body_field is not None:
        # The bounds of a body that is read whole.
        yield RequestTimeout
        yield PayloadTooLarge
        yield UnsupportedBodyType
        if not isinstance(route.body_field.field_info, Form):
            yield MalformedBody


def _errors_of_guards(dependant: Dependant) -> Iterator[type[AppError]]:
    for one in dependant.dependencies:
        yield from _errors_of_guards(one)
    yield from problems_of(dependant.call)
