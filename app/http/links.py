"""Links to the service's own resources, as clients see them."""

from collections.abc import Sequence
from urllib.parse import quote, urlencode

from fastapi import Request, Response
from starlette.requests import HTTPConnection

from app.http.container import container_of


def public_path(connection: HTTPConnection, path: str) -> str:
    """Return a path with the prefix of PUBLIC_URL, for headers and pages.

    The proxy removes the prefix from requests, so routes and the paths in JSON bodies do not have it.
    """
    return container_of(connection).settings.path_prefix + path


def add_next_link(request: Request, response: Response, cursor: str) -> None:
    """Set the `Link` header (RFC 8288) to the next page: the same path and query with this cursor."""
    response.headers["Link"] = next_link(request, cursor)


def next_link(request: Request, cursor: str) -> str:
    """Return the value of the `Link` header for the next page."""
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    return link_to(request, quote(request.scope["path"]), [*kept, ("cursor", cursor)])


def link_to(request: Request, path: str, parameters: Sequence[tuple[str, object]]) -> str:
    """Return the value of the `Link` header for a next page with this path and these parameters."""
    return f'<{public_path(request, path)}?{urlencode(parameters)}>; rel="next"'
