"""RFC 8288 links to further pages."""

from fastapi import Request, Response


def add_next_link(request: Request, response: Response, cursor: str) -> None:
    """Tell the next page in the `Link` header: the same path and query with this cursor."""
    response.headers["Link"] = next_link(request, cursor)


def next_link(request: Request, cursor: str) -> str:
    """Return the value of the `Link` header for the next page."""
    target = request.url.include_query_params(cursor=cursor)
    return f'<{target.path}?{target.query}>; rel="next"'
