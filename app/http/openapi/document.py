"""Completes the OpenAPI document that FastAPI generates.

A route declares only its own responses. This module adds the errors of its guards, parameters and body, and the headers
of each status (`app.http.openapi.response_headers`).
"""

from collections.abc import Iterator
from copy import deepcopy
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
    Unauthenticated,
    UnsupportedBodyType,
    ValidationFailed,
)
from app.http.openapi.examples import add_examples
from app.http.openapi.introduction import TAGS
from app.http.openapi.response_headers import COMPONENTS, describe_headers
from app.http.openapi.texts import describe
from app.http.problems import MEDIA_TYPE, Problem, add_general_problems, add_problem, problems_of
from app.http.requests.strict_route import StrictRoute

# The response of any route to other errors. FastAPI adds its model to the components of the document.
DEFAULT_RESPONSE: dict[int | str, dict[str, Any]] = {
    "default": {"model": Problem, "description": "Any other error, as a problem document."}
}


_ERROR_CLASSES = {
    "4XX": "A problem document: the request is not valid.",
    "5XX": "A problem document: the service or one of its backends failed.",
}
SECURITY_SCHEMES: dict[str, Any] = {
    "Bearer": {"type": "http", "scheme": "bearer", "description": "An access token or an API key."}
}


def install_openapi(app: FastAPI, path_prefix: str) -> None:
    """Complete the generated document with the responses that follow from each route's dependencies."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = generate()
            components = document["components"]
            components |= COMPONENTS
            # A service without guarded routes has none.
            if schemes := components.get("securitySchemes"):
                _add_prefix(schemes, path_prefix)
                schemes |= SECURITY_SCHEMES
            for route in iter_route_contexts(app.routes):
                if isinstance(route.original_route, APIRoute) and route.include_in_schema:
                    for method in route.methods or ():
                        operation = document["paths"][route.path_format][method.lower()]
                        _document_errors(method, operation, route)
                        describe(operation, components["schemas"])
                        add_examples(operation, components["schemas"])
                    # Sorted for readers: the routers are registered in the order of matching.
            document["paths"] = dict(sorted(document["paths"].items(), key=_sort_key))
        return generate()

    app.openapi = openapi  # type: ignore[method-assign]


def operation_id(route: APIRoute) -> str:
    """Return the name of the endpoint function as the operation id, such as `upload_image`."""
    return route.name


def _add_prefix(security_schemes: dict[str, Any], path_prefix: str) -> None:
    # Swagger UI resolves these paths against the host, not against the server's URL.
    for scheme in security_schemes.values():
        for flow in scheme.get("flows", {}).values():
            flow |= {name: f"{path_prefix}{flow[name]}" for name in ("tokenUrl", "refreshUrl")}


def _sort_key(path: tuple[str, dict[str, Any]]) -> tuple[int, str]:
    """Return the sort key of a path: the position of its tag in TAGS, then the path."""
    operation = next(iter(path[1].values()))
    names = [tag["name"] for tag in TAGS]
    return (names.index(operation["tags"][0]) if operation["tags"][0] in names else len(names)), path[0]


def _document_errors(method: str, operation: dict[str, Any], route: RouteContext) -> None:
    responses = operation["responses"]
    # FastAPI declares every model as plain JSON.
    content = responses["default"]["content"]
    content[MEDIA_TYPE] = content.pop("application/json")
    # A generated client would otherwise read every response that it does not know, images included, as `default`.
    for status, description in _ERROR_CLASSES.items():
        responses[status] = {**deepcopy(responses["default"]), "description": description}
    add_general_problems(responses)
    _declare_bytes(responses)
    operation["security"] = _security(operation, route)
    for error in _errors(operation, route):
        add_problem(responses, error)
    operation["responses"] = dict(sorted(responses.items()))
    describe_headers(method, operation)


def _declare_bytes(responses: dict[str, Any]) -> None:
    """Declare images as bytes, too, for clients without image types. A range has the types of the whole."""
    content = responses.get("200", {}).get("content", {})
    kinds = [kind for kind in content if kind.startswith("image/")]
    if kinds:
        content["application/octet-stream"] = deepcopy(content[kinds[0]])
        if "206" in responses:
            responses["206"]["content"] = deepcopy(content)


def _security(operation: dict[str, Any], route: RouteContext) -> list[dict[str, list[str]]]:
    """Return the alternatives of an operation's credentials; `{}` means none."""
    if "security" not in operation:
        return []
    guards = set(_errors_of_guards(route.dependant))
    schemes = [*operation["security"], *({name: []} for name in SECURITY_SCHEMES)]
    return schemes if Unauthenticated in guards else [{}, *schemes]


def _errors(operation: dict[str, Any], route: RouteContext) -> Iterator[type[AppError]]:
    yield from _errors_of_guards(route.dependant)
    if isinstance(route.original_route, StrictRoute) or "parameters" in operation or "requestBody" in operation:
        yield ValidationFailed
    if route.body_field is not None:
        # The limits of a body that is not streamed.
        yield RequestTimeout
        yield PayloadTooLarge
        yield UnsupportedBodyType
        if not isinstance(route.body_field.field_info, Form):
            yield MalformedBody


def _errors_of_guards(dependant: Dependant) -> Iterator[type[AppError]]:
    for one in dependant.dependencies:
        yield from _errors_of_guards(one)
    yield from problems_of(dependant.call)
