"""Calls a simple endpoint with its arguments, without FastAPI's resolution of dependencies.

That takes a sixth of a search's processor time. An endpoint is simple if it returns a `Response`, and if it takes the
request, single path and query parameters, and results of dependencies that take the request only. See
docs/decisions/0027.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.params import Path, Query

from app.http.requests.query_parameters import takes_list

# The attributes of a dependant for arguments that a simple endpoint does not take.
_OTHER_ARGUMENTS = (
    "header_params",
    "cookie_params",
    "body_params",
    "websocket_param_name",
    "http_connection_param_name",
    "response_param_name",
    "background_tasks_param_name",
    "security_scopes_param_name",
    "concurrency",
)


@dataclass(frozen=True, slots=True)
class _Parameter:
    """A path or query parameter. `validate` returns its value and a list of errors."""

    name: str
    alias: str
    is_in_path: bool
    is_required: bool
    default: Any
    validate: Callable[[Any], tuple[Any, list[Any]]]


class DirectCall:
    """The call of an endpoint that `is_simple`."""

    def __init__(self, dependant: Dependant) -> None:
        self._endpoint = _callable_of(dependant)
        self._request_name = dependant.request_param_name
        self._dependencies = [
            (one.name or "", _callable_of(one), one.request_param_name or "") for one in dependant.dependencies
        ]
        fields = [*dependant.path_params, *dependant.query_params]
        self._parameters = [
            _Parameter(
                name=field.name,
                alias=field.alias,
                is_in_path=isinstance(field.field_info, Path),
                is_required=field.field_info.is_required(),
                default=field.default,
                validate=field.validate,
            )
            for field in fields
        ]

    async def run(self, request: Request) -> Response | None:
        """Return the response of the endpoint; None if FastAPI has to report an error or to replace a dependency."""
        arguments = self._read_parameters(request)
        if arguments is None or request.app.dependency_overrides:
            return None
        for name, call, request_name in self._dependencies:
            arguments[name] = await call(**{request_name: request})
        if self._request_name is not None:
            arguments[self._request_name] = request
        response: Response = await self._endpoint(**arguments)
        return response

    def _read_parameters(self, request: Request) -> dict[str, Any] | None:
        """Return the values by name; None if one is missing or invalid."""
        arguments: dict[str, Any] = {}
        path, query = request.path_params, request.query_params
        for one in self._parameters:
            given = (path if one.is_in_path else query).get(one.alias)
            if given is None:
                if one.is_required:
                    return None
                arguments[one.name] = one.default
                continue
            arguments[one.name], errors = one.validate(given)
            if errors:
                return None
        return arguments


def is_simple(dependant: Dependant) -> bool:
    """Return whether an endpoint is simple."""
    returned = inspect.signature(_callable_of(dependant)).return_annotation
    return (
        inspect.iscoroutinefunction(dependant.call)
        and isinstance(returned, type)
        and issubclass(returned, Response)
        and not _has_other_arguments(dependant)
        and all(map(_is_simple_field, [*dependant.path_params, *dependant.query_params]))
        and all(map(_takes_request_only, dependant.dependencies))
    )


def _has_other_arguments(dependant: Dependant) -> bool:
    return any(getattr(dependant, name) for name in _OTHER_ARGUMENTS)


def _is_simple_field(field: Any) -> bool:
    info = field.field_info
    is_alias_only = info.validation_alias in (None, field.alias)
    has_constant_default = info.default_factory is None and not info.validate_default
    return isinstance(info, Path | Query) and is_alias_only and has_constant_default and not takes_list(info.annotation)


def _takes_request_only(dependant: Dependant) -> bool:
    call = _callable_of(dependant)
    return (
        (inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(type(call).__call__))
        and dependant.name is not None
        and dependant.request_param_name is not None
        and not (dependant.dependencies or dependant.path_params or dependant.query_params)
        and not _has_other_arguments(dependant)
    )


def _callable_of(dependant: Dependant) -> Callable[..., Any]:
    if dependant.call is None:
        raise ValueError("The dependant has no callable")
    return dependant.call
