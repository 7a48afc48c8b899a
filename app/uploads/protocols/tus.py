"""tus 1.0.0, with the extensions of EXTENSIONS. Source: https://tus.io/protocols/resumable-upload."""

import hashlib
from collections.abc import Mapping
from email.utils import format_datetime

from starlette.datastructures import Headers
from starlette.responses import Response

from app.core.errors import AppError, UnsupportedBodyType
from app.core.resource_paths import image_path
from app.http.requests.strict_route import body_media_type
from app.images.schemas import ImageUploaded
from app.uploads.appending.append import Append
from app.uploads.appending.inspection import CHECKSUM_ALGORITHMS, Checksum
from app.uploads.errors import ChecksumFailed, InvalidUploadHeader, OffsetMismatch
from app.uploads.open_uploads import Progress
from app.uploads.protocols.header_fields import content_length, decode_base64, parse_size
from app.uploads.protocols.metadata import parse_metadata
from app.uploads.service import NewUpload

VERSION = "1.0.0"
EXTENSIONS = ("creation", "creation-with-upload", "creation-defer-length", "expiration", "checksum", "termination")
MEDIA_TYPE = "application/offset+octet-stream"


class Tus:
    """The protocol of requests with `Tus-Resumable`."""

    media_type = MEDIA_TYPE

    def parse_creation(self, headers: Headers) -> tuple[NewUpload, Append | None]:
        """Return the new upload, and the append of the body if there is one."""
        length = parse_size(headers, "Upload-Length")
        deferred = headers.get("Upload-Defer-Length")
        if deferred not in (None, "1") or (length is None) == (deferred is None):
            raise InvalidUploadHeader("Exactly one of Upload-Length and Upload-Defer-Length: 1 is required.")
        metadata = parse_metadata(headers.get("Upload-Metadata"))
        new = NewUpload(metadata.name, metadata.fields, length, metadata.sha256, metadata.raw)
        # An upload of zero bytes ends with its creation.
        if content_length(headers) == 0 and length != 0:
            return new, None
        _require_media_type(headers, is_required=length != 0)
        return new, Append(0, content_length=content_length(headers), checksum=_checksum(headers))

    def parse_append(self, headers: Headers) -> Append:
        """Return the declarations of a request that appends."""
        _require_media_type(headers)
        offset = parse_size(headers, "Upload-Offset")
        if offset is None:
            raise InvalidUploadHeader("Upload-Offset is required.")
        length = parse_size(headers, "Upload-Length")
        return Append(offset, length=length, content_length=content_length(headers), checksum=_checksum(headers))

    def created(self, progress: Progress, location: str, image: ImageUploaded | None) -> Response:
        """Return 201 with the offset."""
        return Response(status_code=201, headers={"Location": location, **_progress_fields(progress), **_image(image)})

    def appended(self, progress: Progress, image: ImageUploaded | None) -> Response:
        """Return 204 with the offset."""
        return Response(status_code=204, headers={**_progress_fields(progress), **_image(image)})

    def state(self, progress: Progress) -> Response:
        """Return 200 with the offset, the length and the metadata."""
        length = {"Upload-Defer-Length": "1"} if progress.length is None else {"Upload-Length": str(progress.length)}
        metadata = progress.upload.client_metadata
        own = {"Upload-Metadata": metadata} if metadata else {}
        stored = {"Content-Location": image_path(progress.upload.image_id)} if progress.upload.image_id else {}
        fields = {**_progress_fields(progress), **length, **own, **stored}
        return Response(headers={"Cache-Control": "no-store", **fields})

    def headers(self, error: AppError | None) -> Mapping[str, str]:
        """Return the version, and the offset where the client continues."""
        offset = {"Upload-Offset": str(error.expected)} if isinstance(error, OffsetMismatch) else {}
        return {"Tus-Resumable": VERSION, **offset}


def _progress_fields(progress: Progress) -> dict[str, str]:
    offset = {"Upload-Offset": str(progress.offset)}
    if progress.is_complete:
        return offset
    return {**offset, "Upload-Expires": format_datetime(progress.expires_at, usegmt=True)}


def _image(image: ImageUploaded | None) -> dict[str, str]:
    return {} if image is None else {"Content-Location": image.links.self}


def _require_media_type(headers: Headers, *, is_required: bool = True) -> None:
    if is_required and body_media_type(headers) != MEDIA_TYPE:
        raise UnsupportedBodyType(f"The body must be {MEDIA_TYPE}.")


def _checksum(headers: Headers) -> Checksum | None:
    value = headers.get("Upload-Checksum")
    if value is None:
        return None
    algorithm, _, encoded = value.partition(" ")
    if algorithm not in CHECKSUM_ALGORITHMS:
        raise InvalidUploadHeader(f"The algorithm of Upload-Checksum must be one of {', '.join(CHECKSUM_ALGORITHMS)}.")
    digest = decode_base64(encoded) or b""
    if len(digest) != hashlib.new(algorithm, usedforsecurity=False).digest_size:
        raise InvalidUploadHeader("Upload-Checksum must have the digest in Base64.")
    return Checksum(algorithm, digest, ChecksumFailed)
