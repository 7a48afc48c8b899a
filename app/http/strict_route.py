"""The route class of the API: requests that an operation does not declare are refused."""

from collections.abc import Callable, Sequence
from typing import Any

from fastapi import Depends, Request
from fastapi.params import Depends as DependsParameter
from fastapi.routing import APIRoute

from app.http.query_parameters import QueryParameters


class StrictRoute(APIRoute):
    """Checks the query parameters after the dependencies of the router, which check credentials."""

    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Any],
        *,
        dependencies: Sequence[DependsParameter] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(
            path, endpoint, dependencies=[*(dependencies or ()), Depends(self._check_parameters)], **options
        )
        self._parameters = QueryParameters(self.dependant)

    async def _check_parameters(self, request: Request) -> None:
        if request.scope["query_string"]:
            self._parameters.check(request.query_params)
