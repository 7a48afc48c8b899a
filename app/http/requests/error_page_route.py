"""A route whose errors are HTML pages."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from app.core.errors import AppError, Unauthenticated
from app.http.problems import app_error_of


class ErrorPageRoute(APIRoute):
    """Shows errors by the pages of a subclass."""

    def show_error(self, request: Request, error: AppError) -> Response:
        """Return the page of an error."""
        raise NotImplementedError

    def ask_for_sign_in(self, request: Request) -> Response:
        """Return the response to an unauthenticated request."""
        raise NotImplementedError

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return FastAPI's handler, with its errors converted to pages."""
        handle = super().get_route_handler()

        async def with_error_pages(request: Request) -> Response:
            try:
                return await handle(request)
            except Unauthenticated:
                return self.ask_for_sign_in(request)
            except RequestValidationError as error:
                return self.show_error(request, app_error_of(request, error))
            except AppError as error:
                return self.show_error(request, error)

        return with_error_pages
