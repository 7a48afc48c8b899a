"""What a client accepts."""

from fastapi import Request


def accepts(request: Request, media_type: str) -> bool:
    """Return whether `Accept` names this media type. Wildcards do not count: curl and API clients send `*/*`."""
    kinds = request.headers.get("accept", "").lower().split(",")
    return any(kind.partition(";")[0].strip() == media_type for kind in kinds)


def accepts_html(request: Request) -> bool:
    """Return whether the client is a browser that opens a page."""
    return accepts(request, "text/html")
