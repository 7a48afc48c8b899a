"""Errors of the token endpoint: problem documents that OAuth 2 clients understand, too (RFC 6749, 5.2)."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from app.core.errors import AppError, PayloadTooLarge, RequestTimeout, TooManyRequests, Unauthenticated, Unavailable
from app.http.problems import app_error_of, oauth_text
from app.users.authenticated_route import AuthenticatedRoute
from app.users.errors import InvalidTokenRequest, UnsupportedGrantType


class TokenRoute(AuthenticatedRoute):
    """Adds `error` and `error_description` to every error that a request can cause.

    Without `error`, clients such as authlib take the problem document for a token.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, which adds the members of OAuth 2 to its errors."""
        handle = super().get_route_handler()

        async def with_oauth_fields(request: Request) -> Response:
            try:
                return await handle(request)
            except AppError as error:
                raise _with_oauth_fields(error) from error
            except RequestValidationError as error:
                raise _with_oauth_fields(_grant_error(error) or app_error_of(request, error)) from error
            except HTTPException as error:
                raise _with_oauth_fields(_body_error(error)) from error

        return with_oauth_fields


def _with_oauth_fields(error: AppError) -> AppError:
    error.extras |= {"error": _code(error), "error_description": oauth_text(error.detail)}
    return error


def _code(error: AppError) -> str:
    if isinstance(error, Unauthenticated):
        return "invalid_grant"
    if isinstance(error, UnsupportedGrantType):
        return "unsupported_grant_type"
    # RFC 6749 has no code of its own for these at the token endpoint; this is the one of 4.1.2.1.
    if isinstance(error, TooManyRequests | Unavailable):
        return "temporarily_unavailable"
    return "invalid_request"


def _grant_error(error: RequestValidationError) -> AppError | None:
    """Return the error of a missing or unknown `grant_type`, None for any other invalid value."""
    kinds = {one["type"] for one in error.errors() if tuple(one["loc"]) == ("body", "grant_type")}
    if not kinds:
        return None
    if "missing" in kinds:
        return InvalidTokenRequest("The parameter `grant_type` is required.")
    return UnsupportedGrantType("The parameter `grant_type` must be `password` or `refresh_token`.")


def _body_error(error: HTTPException) -> AppError:
    for kind in (PayloadTooLarge, RequestTimeout):
        if error.status_code == kind.status:
            return kind(str(error.detail))
    return InvalidTokenRequest("The body is not a valid form.")
