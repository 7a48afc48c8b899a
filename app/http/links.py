"""RFC 8288 links to further pages."""

from fastapi import Request, Response


def add_next_link(request: Request, response: Response, cursor: str) -> None:
    """Tell the next page in the `Link` header: the same path and query with this cursor."""
    target = request.url.include_query_params(cursor=cursor)
    response.headers["Link"] = f'<{target.path}?{target.query}>; rel="next"'
