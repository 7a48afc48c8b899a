"""The route class of the API, which refuses undeclared query parameters and body types."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from fastapi import Request, Response
from fastapi.params import Form
from fastapi.routing import APIRoute
from starlette.datastructures import Headers

from app.core.errors import UnsupportedBodyType
from app.http.links import public_path
from app.http.openapi.deprecation import SINCE, deprecation_headers
from app.http.requests.direct_call import DirectCall, is_simple
from app.http.requests.json_body import JsonRequest, parse_json
from app.http.requests.query_parameters import QueryParameters

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


class StrictRoute(APIRoute):
    """Checks the syntax of the body and the names of the query parameters, before FastAPI resolves dependencies."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return FastAPI's handler, preceded by the checks."""
        handle = super().get_route_handler()
        parameters, check_body = QueryParameters(self.dependant), self._body_check()
        direct = DirectCall(self.dependant) if is_simple(self.dependant) else None
        announcement = self._announcement()

        async def announced(request: Request) -> Response:
            headers = deprecation_headers(announcement, public_path(request, ""))
            request.state.problem_headers = headers
            response = await checked(request)
            for name, value in headers.items():
                response.headers.append(name, value)
            return response

        async def checked(request: Request) -> Response:
            if check_body is not None:
                request = await check_body(request)
            if request.scope["query_string"]:
                parameters.check(request.query_params)
            response = None if direct is None else await direct.run(request)
            return await handle(request) if response is None else response

        return announced if announcement else checked

    def _announcement(self) -> Mapping[str, Any]:
        """Return the declaration of a deprecated route; empty for other routes. Raises ValueError without one."""
        extra = self.openapi_extra or {}
        if bool(self.deprecated) != (SINCE in extra):
            raise ValueError(f"{self.path}: use deprecated() of {deprecation_headers.__module__}")
        return extra if self.deprecated else {}

    def _body_check(self) -> Callable[[Request], Coroutine[Any, Any, Request]] | None:
        if self.body_field is None:
            return None
        return _check_form if isinstance(self.body_field.field_info, Form) else _parse_json


async def _parse_json(request: Request) -> Request:
    """Return the request with its JSON body parsed. Raises UnsupportedBodyType, MalformedBody, ValidationFailed."""
    parsed = JsonRequest(request.scope, request.receive)
    if body := await parsed.body():
        media_type = body_media_type(request.headers)
        if media_type != JSON and not (media_type.startswith("application/") and media_type.endswith("+json")):
            raise UnsupportedBodyType(f"The body must be {JSON}.")
        _refuse_coding(request)
        parsed.document = parse_json(body)
    return parsed


async def _check_form(request: Request) -> Request:
    if await request.body():
        if body_media_type(request.headers) != FORM:
            raise UnsupportedBodyType(f"The body must be {FORM}.")
        _refuse_coding(request)
    return request


def body_media_type(headers: Headers) -> str:
    """Return the media type of a body in lower case, without parameters."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _refuse_coding(request: Request) -> None:
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise UnsupportedBodyType("The body must not be compressed.")
