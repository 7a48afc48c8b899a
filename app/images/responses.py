"""Helpers of the image routers: the errors of an upload, the precondition of a change and the response after it."""

from collections.abc import Callable

from fastapi import Request, Response

from app.core.errors import (
    AppError,
    PayloadTooLarge,
    StorageUnavailable,
    TooManyRequests,
    UnsupportedMediaType,
    UploadsBusy,
)
from app.core.settings import Settings
from app.http.requests.conditional import entity_tag, require_match
from app.http.requests.slow_body import UploadTimeout
from app.images.errors import NameTaken, StorageQuotaExceeded
from app.images.repository import TaggedImage
from app.images.schemas import ImageRead, to_read
from app.media.errors import DecodersBusy, DecodersUnavailable, ImageTooLarge, InvalidImage

# The limit of the fields and part headers of a form, without the file.
MAX_FORM_BYTES = 1024 * 1024
# The schema of the form field with the file.
FILE_FIELD = {"type": "string", "format": "binary", "description": "JPEG, PNG, WebP, GIF, AVIF or HEIC"}
# The errors of each operation that receives the file of an image.
UPLOAD_ERRORS: tuple[type[AppError], ...] = (
    NameTaken,
    PayloadTooLarge,
    StorageQuotaExceeded,
    UnsupportedMediaType,
    InvalidImage,
    ImageTooLarge,
    StorageUnavailable,
    DecodersUnavailable,
    DecodersBusy,
    UploadTimeout,
    TooManyRequests,
    UploadsBusy,
)


def refuse_declared_length(request: Request, settings: Settings) -> None:
    """Refuse a body whose declared length cannot be right, before a byte of it is read. Raises PayloadTooLarge."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > settings.max_upload_bytes + MAX_FORM_BYTES:
        raise PayloadTooLarge(f"A file can have at most {settings.max_upload_bytes} bytes")


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
