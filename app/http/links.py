"""RFC 8288 links to further pages."""

from urllib.parse import quote, urlencode

from fastapi import Request, Response


def add_next_link(request: Request, response: Response, cursor: str) -> None:
    """Set the `Link` header to the next page: the same path and query with this cursor."""
    response.headers["Link"] = next_link(request, cursor)


def next_link(request: Request, cursor: str) -> str:
    """Return the value of the `Link` header for the next page."""
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    return f'<{quote(request.scope["path"])}?{urlencode([*kept, ("cursor", cursor)])}>; rel="next"'
