"""CORS: pages of other origins may send and read the headers of the OpenAPI document."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp
from structlog.contextvars import get_contextvars

from app.core.errors import BadRequest
from app.http.problems import error_response

# Headers of all operations: credentials, tracing, the request id, and the preconditions of RFC 9110.
REQUEST_HEADERS = frozenset(
    {
        *("Accept", "Authorization", "Content-Type", "X-Request-ID", "traceparent", "tracestate"),
        *("If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range", "Range"),
        # Resumable uploads (tus 1.0.0 and draft-ietf-httpbis-resumable-upload).
        *("Tus-Resumable", "Upload-Length", "Upload-Defer-Length", "Upload-Metadata", "Upload-Offset"),
        *("Content-Digest", "X-HTTP-Method-Override"),
        *("Upload-Checksum", "Upload-Complete", "Upload-Draft-Interop-Version", "Content-Disposition"),
    }
)
RESPONSE_HEADERS = frozenset(
    {
        *("Accept-Query", "Allow", "Content-Encoding", "Content-Length", "Content-Location", "Content-Security-Policy"),
        *("Vary", "X-Content-Type-Options", "X-Request-ID"),
        *("Tus-Resumable", "Tus-Version", "Tus-Extension", "Tus-Max-Size", "Tus-Checksum-Algorithm"),
        *("Upload-Offset", "Upload-Length", "Upload-Metadata", "Upload-Expires", "Upload-Complete", "Upload-Limit"),
    }
)


class ContractCorsMiddleware(CORSMiddleware):
    """Takes its headers and methods from the OpenAPI document; a refused preflight is a problem document."""

    def __init__(
        self, app: ASGIApp, allow_origins: Sequence[str], openapi: Callable[[], dict[str, Any]], path_prefix: str
    ) -> None:
        document = openapi()
        self._path_prefix = path_prefix
        super().__init__(
            app,
            allow_origins=allow_origins,
            allow_methods=sorted({"HEAD", "QUERY", *_methods(document)}),
            allow_headers=sorted(REQUEST_HEADERS | set(_request_headers(document))),
            expose_headers=sorted(RESPONSE_HEADERS | set(document["components"]["headers"])),
        )

    def preflight_response(self, request_headers: Headers) -> Response:
        """Return Starlette's response, or a problem document with its headers if the preflight is refused."""
        response = super().preflight_response(request_headers)
        if response.status_code < 400:
            return response
        refused = bytes(response.body).decode().removeprefix("Disallowed CORS ")
        problem = error_response(
            get_contextvars().get("request_id", ""),
            self._path_prefix,
            BadRequest(f"The preflight request names what is not allowed: {refused}."),
        )
        own = {"content-length", "content-type"}
        problem.headers.update({name: value for name, value in response.headers.items() if name not in own})
        return problem


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in document["paths"].values():
        yield from path.items()


def _methods(document: dict[str, Any]) -> Iterator[str]:
    for method, _ in _operations(document):
        yield method.upper()


def _request_headers(document: dict[str, Any]) -> Iterator[str]:
    shared = document["components"]["parameters"]
    declared = [one for _, operation in _operations(document) for one in operation.get("parameters", ())]
    for parameter in (*declared, *shared.values()):
        if parameter.get("in") == "header":
            yield parameter["name"]
