"""Maps errors to RFC 9457 problem documents. No other module does."""

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, TypeVar

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.core.errors import (
    AppError,
    BadRequest,
    HttpError,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    RangeNotSatisfiable,
    RequestHeadTooLarge,
    RequestTimeout,
    ServiceStopping,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
    UnsupportedBodyType,
    ValidationFailed,
)
from app.core.field_errors import sentence
from app.core.observability.logging import get_logger
from app.http.links import public_path
from app.http.methods import JSON, describe_methods, has_other_route, methods_of_path, missing_resource
from app.http.requests.validation import translate

logger = get_logger(__name__)

Dependency = TypeVar("Dependency", bound=Callable[..., Any])

MEDIA_TYPE = "application/problem+json"
_SCHEMA = {"$ref": "#/components/schemas/Problem"}
_ATTRIBUTE = "problems"
MAX_ERRORS = 100
RATE_LIMITED = "x-rate-limited"
# The errors of the framework, by status.
_FRAMEWORK: dict[int, type[AppError]] = {
    400: BadRequest,
    404: NotFound,
    405: MethodNotAllowed,
    408: RequestTimeout,
    413: PayloadTooLarge,
    415: UnsupportedBodyType,
    429: TooManyRequests,
    503: Unavailable,
}
# The errors that every operation may return in addition to its declared ones.
GENERAL_ERRORS: dict[str, tuple[type[AppError], ...]] = {
    "4XX": (BadRequest, MethodNotAllowed, NotFound, RequestHeadTooLarge, HttpError),
    "5XX": (AppError, ServiceStopping),
}


class FieldError(BaseModel):
    """The reason and the position of an invalid value."""

    loc: list[str | int] = Field(examples=[["body", "email"]])
    msg: str = Field(examples=["The value must be an e-mail address."])
    type: str = Field(examples=["value_error"])
    did_you_mean: str | None = Field(None, description="The most similar accepted name")


class Problem(BaseModel):
    """An RFC 9457 problem document."""

    type: str = Field(examples=["/problems/image-not-found"])
    title: str = Field(examples=["Image not found"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["There is no image with this id, or the caller may not see it."])
    request_id: str = Field(examples=["0d3f7c52a1b84e6f9c1d2e3f40516273"])
    errors: list[FieldError] | None = None


def problem_response(
    request_id: str,
    path_prefix: str,
    *,
    slug: str,
    title: str,
    status: int,
    detail: str,
    type_uri: str | None = None,
    headers: Mapping[str, str] | None = None,
    **extras: Any,
) -> Response:
    """Build the response; `extras` become further members of the document.

    `type` has the path of PUBLIC_URL, because a client resolves it against the URL of the request (RFC 9457, 3.1.1).
    """
    document = {
        "type": type_uri or f"{path_prefix}/problems/{slug}",
        "title": title,
        "status": status,
        "detail": detail,
        "request_id": request_id,
        **extras,
    }
    # A refused value can contain a lone surrogate, and `loc` repeats names that the client sent.
    body = json.dumps(document, ensure_ascii=False, default=str).encode("utf-8", "replace")
    return Response(body, status, headers, media_type=MEDIA_TYPE)


def error_response(request_id: str, path_prefix: str, error: AppError) -> Response:
    """Return the problem document of an AppError, with the headers of its status."""
    headers: dict[str, str] = {}
    if isinstance(error, (TooManyRequests, Unavailable)):
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, Unauthenticated) or error.bearer_error is not None:
        headers["WWW-Authenticate"] = _challenge(error)
    if isinstance(error, RangeNotSatisfiable):
        headers["Content-Range"] = f"bytes */{error.extras['total']}"
    if isinstance(error, RequestTimeout):
        # The service does not wait for the rest of the body.
        headers["Connection"] = "close"
    return problem_response(
        request_id,
        path_prefix,
        slug=error.slug,
        title=error.title,
        status=error.status,
        detail=error.detail,
        type_uri=error.type_uri,
        headers=headers,
        **error.extras,
    )


def status_headers(error: AppError) -> dict[str, str]:
    """Return the headers that the problem document of the error has for its status, for a page that shows the error."""
    kept = error_response("", "", error).headers
    return {name: kept[name] for name in ("retry-after", "www-authenticate") if name in kept}


def oauth_text(text: str) -> str:
    """Return the characters that OAuth 2 allows in an `error_description` (RFC 6749, 5.2)."""
    return "".join(char for char in text.replace('"', "'") if " " <= char <= "~" and char != "\\")


def _challenge(error: AppError) -> str:
    """Return the value of `WWW-Authenticate` (RFC 6750, 3); without credentials it has no `error`."""
    code = error.extras.get("error", error.bearer_error)
    if code is None:
        return "Bearer"
    parameters = {"error": code, "error_description": oauth_text(error.detail)}
    if "scope" in error.extras:
        parameters["scope"] = error.extras["scope"]
    return "Bearer " + ", ".join(f'{name}="{value}"' for name, value in parameters.items())


def internal_error_response(request_id: str, path_prefix: str) -> Response:
    """Return the response to a bug. It shows only the request id; the log has the details."""
    return error_response(request_id, path_prefix, AppError())


def slug_of(error: BaseException | None) -> str | None:
    """Return the slug of an error that has a problem document; None for a bug."""
    if isinstance(error, AppError):
        return error.slug
    if isinstance(error, HTTPException):
        return _framework_problem(error).slug
    return None


def install_problem_handlers(app: FastAPI) -> None:
    """Register handlers that return a problem document for every error of the framework and the service."""
    app.add_exception_handler(AppError, _handle_app_error)
    app.add_exception_handler(RequestValidationError, _handle_validation_error)
    app.add_exception_handler(HTTPException, handle_http_exception)


def problems(*errors: type[AppError]) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI `responses` of a route for these errors."""
    responses: dict[str, Any] = {}
    for error in errors:
        add_problem(responses, error)
    return {int(status): response for status, response in sorted(responses.items())}


def add_general_problems(responses: dict[str, Any]) -> None:
    """Add the errors that every operation may return to an operation's `responses`."""
    for status, errors in GENERAL_ERRORS.items():
        content = responses[status]["content"][MEDIA_TYPE]
        content["examples"] = {error.slug: _example(error) for error in errors}


def add_problem(responses: dict[str, Any], error: type[AppError]) -> None:
    """Add an error to an operation's `responses`, unless it is already there."""
    response = responses.setdefault(str(error.status), {})
    if error is TooManyRequests:
        # `app.http.openapi.response_headers` removes this mark.
        response[RATE_LIMITED] = True
    content = response.setdefault("content", {}).setdefault(MEDIA_TYPE, {"schema": _SCHEMA, "examples": {}})
    if error.slug not in content["examples"]:
        content["examples"][error.slug] = _example(error)
        text = f"`{error.slug}`: {error.description}"
        response["description"] = f"{response['description']} {text}" if "description" in response else text


def raising(*errors: type[AppError]) -> Callable[[Dependency], Dependency]:
    """Mark a dependency with its errors. OpenAPI lists them in each endpoint that uses the dependency."""

    def mark(dependency: Dependency) -> Dependency:
        setattr(dependency, _ATTRIBUTE, errors)
        return dependency

    return mark


def problems_of(dependency: Any) -> tuple[type[AppError], ...]:
    """Return the errors that a dependency is marked with."""
    errors: tuple[type[AppError], ...] = getattr(dependency, _ATTRIBUTE, ())
    return errors


def _example(error: type[AppError]) -> dict[str, Any]:
    value = {
        "type": error.type_uri or f"/problems/{error.slug}",
        "title": error.title,
        "status": error.status,
        "detail": error.description,
        "request_id": "0d3f7c52a1b84e6f9c1d2e3f40516273",
    }
    return {"value": value}


async def _handle_app_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, AppError)  # noqa: S101 - what it is registered for
    request.state.error_slug = error.slug
    response = error_response(request.state.request_id, public_path(request, ""), error)
    if request.method == "QUERY" and isinstance(error, UnsupportedBodyType):
        # The media type that the client may use instead (RFC 10008, 3).
        response.headers["Accept-Query"] = JSON
    # Header fields of a protocol on top of HTTP, such as that of resumable uploads.
    response.headers.update(getattr(request.state, "problem_headers", {}))
    return response


async def _handle_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    # The path belongs to another resource, which lacks the method.
    if _has_invalid_id(error) and has_other_route(request.app, request.scope["path"]):
        return await handle_http_exception(request, HTTPException(405))
    return await _handle_app_error(request, app_error_of(request, error))


def app_error_of(request: Request, error: RequestValidationError) -> AppError:
    """Convert FastAPI's validation error. An invalid UUID in the path identifies no resource."""
    route = request.scope.get("route")
    if _has_invalid_id(error):
        return missing_resource(route)()
    return ValidationFailed([translate(one, route) for one in error.errors()[:MAX_ERRORS]])


def _has_invalid_id(error: RequestValidationError) -> bool:
    return any(one["loc"][0] == "path" and one["type"] == "uuid_parsing" for one in error.errors())


async def handle_http_exception(request: Request, error: Exception) -> Response:
    """Return the problem document of an error of the framework."""
    assert isinstance(error, HTTPException)  # noqa: S101
    path = request.scope["path"]
    allow = describe_methods(methods_of_path(request.app, path)) if error.status_code == 405 or path == "*" else None
    if allow and request.method == "OPTIONS":
        return Response(status_code=204, headers=allow)
    problem = _framework_problem(error)
    request.state.error_slug = problem.slug
    headers = allow if error.status_code == 405 else error.headers
    is_default = error.detail == HTTPStatus(error.status_code).phrase
    return problem_response(
        request.state.request_id,
        public_path(request, ""),
        slug=problem.slug,
        title=problem.title,
        status=error.status_code,
        detail=problem.description if is_default or not error.detail else sentence(str(error.detail)),
        headers=headers,
    )


def _framework_problem(error: HTTPException) -> type[AppError]:
    return _FRAMEWORK.get(error.status_code, HttpError)
