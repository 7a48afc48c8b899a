"""The interface of the two upload protocols: what they read from requests, and how they respond."""

from collections.abc import Mapping
from typing import Protocol

from starlette.datastructures import Headers
from starlette.responses import Response

from app.core.errors import AppError
from app.images.schemas import ImageUploaded
from app.uploads.appending.append import Append
from app.uploads.open_uploads import Progress
from app.uploads.service import NewUpload


class UploadProtocol(Protocol):
    """One of the two protocols. A request names its protocol by its header fields."""

    # The media type of a body that is appended.
    media_type: str

    def parse_creation(self, headers: Headers) -> tuple[NewUpload, Append | None]:
        """Return the new upload, and the append of the body if there is one.

        Raises InvalidUploadHeader, ValidationFailed, InconsistentLength, UnsupportedBodyType, PayloadTooLarge.
        """
        ...

    def parse_append(self, headers: Headers) -> Append:
        """Return the declarations of a request that appends. Raises like `parse_creation`."""
        ...

    def created(self, progress: Progress, location: str, image: ImageUploaded | None) -> Response:
        """Return the response to a creation, with the image if the upload is complete."""
        ...

    def appended(self, progress: Progress, image: ImageUploaded | None) -> Response:
        """Return the response to an append, with the image if the upload is complete."""
        ...

    def state(self, progress: Progress) -> Response:
        """Return the response to a request for the offset."""
        ...

    def headers(self, error: AppError | None) -> Mapping[str, str]:
        """Return the header fields of a response with an error, or of any response."""
        ...
