"""Helpers of the image routers: the precondition of a change and the response after it."""

from collections.abc import Callable

from fastapi import Request, Response

from app.http.requests.conditional import entity_tag, require_match
from app.images.repository import TaggedImage
from app.images.schemas import ImageRead, to_read


def match_precondition(request: Request) -> Callable[[TaggedImage], None]:
    """Return a check that raises PreconditionFailed if the image does not match the request's If-Match."""

    def check(tagged: TaggedImage) -> None:
        require_match(request, to_read(tagged.image, tagged.tags))

    return check


def with_etag(response: Response, tagged: TaggedImage) -> ImageRead:
    """Return a changed image for the wire; its new entity tag becomes a header, for the next If-Match."""
    read = to_read(tagged.image, tagged.tags)
    response.headers["ETag"] = entity_tag(read)
    return read
