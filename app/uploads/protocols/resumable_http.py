"""Resumable Uploads for HTTP: draft-ietf-httpbis-resumable-upload-12, interop version 8."""

import re
from collections.abc import Mapping

from fastapi.responses import JSONResponse
from starlette.datastructures import Headers
from starlette.responses import Response

from app.core.errors import AppError, BadRequest, UnsupportedBodyType
from app.core.resource_paths import image_path
from app.core.settings import Settings
from app.http.requests.multipart import file_name_of_disposition
from app.http.requests.strict_route import body_media_type
from app.images.schemas import ImageUploaded
from app.images.upload.form import normalized_name
from app.uploads.appending.append import Append
from app.uploads.appending.inspection import Checksum
from app.uploads.errors import DigestFailed, InconsistentLength, InvalidUploadHeader, OffsetMismatch
from app.uploads.open_uploads import Progress
from app.uploads.protocols.header_fields import content_length, decode_base64, parse_boolean, parse_integer
from app.uploads.protocols.metadata import parse_metadata
from app.uploads.service import NewUpload

INTEROP_VERSION = "8"
MEDIA_TYPE = "application/partial-upload"
COMPLETE, INCOMPLETE = "?1", "?0"
_SHA256 = re.compile(r"(?:^|,)\s*sha-256=:([A-Za-z0-9+/=]*):")


class ResumableHttp:
    """The protocol of requests without `Tus-Resumable`."""

    media_type = MEDIA_TYPE

    def __init__(self, settings: Settings) -> None:
        self._limits = limits_field(settings)

    def parse_creation(self, headers: Headers) -> tuple[NewUpload, Append | None]:
        """Return the new upload, and the append of the body if there is one."""
        completes = parse_boolean(headers, "Upload-Complete")
        if completes is None:
            raise InvalidUploadHeader("Upload-Complete must be ?0 or ?1.")
        length, body = parse_integer(headers, "Upload-Length"), content_length(headers)
        if completes and body is not None:
            if length not in (None, body):
                raise InconsistentLength(f"The upload has {length} bytes, and the request ends it with {body}.")
            length = body
        metadata = parse_metadata(headers.get("Upload-Metadata"))
        name = _name(headers) or metadata.name
        new = NewUpload(name, metadata.fields, length, metadata.sha256, metadata.raw)
        if body == 0 and not completes:
            return new, None
        return new, Append(0, completes, length, body, _digest(headers), cancels_excess=True)

    def parse_append(self, headers: Headers) -> Append:
        """Return the declarations of a request that appends."""
        if body_media_type(headers) != MEDIA_TYPE:
            raise UnsupportedBodyType(f"The body must be {MEDIA_TYPE}.")
        offset, completes = parse_integer(headers, "Upload-Offset"), parse_boolean(headers, "Upload-Complete")
        if offset is None or completes is None:
            raise InvalidUploadHeader("Upload-Offset and Upload-Complete are required.")
        length, body = parse_integer(headers, "Upload-Length"), content_length(headers)
        return Append(offset, completes, length, body, _digest(headers), cancels_excess=True)

    def created(self, progress: Progress, location: str, image: ImageUploaded | None) -> Response:
        """Return 201 with the state of the upload, or with the image."""
        fields = {"Location": location, **self._progress_fields(progress)}
        if image is None:
            return Response(status_code=201, headers=fields)
        return _image_response(201, image, {**fields, "Content-Location": image.links.self})

    def appended(self, progress: Progress, image: ImageUploaded | None) -> Response:
        """Return 204 with the offset, or 201 with the image."""
        fields = self._progress_fields(progress)
        if image is None:
            return Response(status_code=204, headers=fields)
        return _image_response(201, image, {**fields, "Location": image.links.self})

    def state(self, progress: Progress) -> Response:
        """Return 204 with the offset and the length."""
        length = {} if progress.length is None else {"Upload-Length": str(progress.length)}
        stored = {"Content-Location": image_path(progress.upload.image_id)} if progress.upload.image_id else {}
        fields = {**self._progress_fields(progress), **length, **stored}
        return Response(status_code=204, headers={"Cache-Control": "no-store", **fields})

    def headers(self, error: AppError | None) -> Mapping[str, str]:
        """Return the limits and the state that belong to an error."""
        if error is None:
            return {}
        offset = {"Upload-Offset": str(error.expected)} if isinstance(error, OffsetMismatch) else {}
        return {"Upload-Complete": INCOMPLETE, "Upload-Limit": self._limits, **offset}

    def _progress_fields(self, progress: Progress) -> dict[str, str]:
        return {
            "Upload-Complete": COMPLETE if progress.is_complete else INCOMPLETE,
            "Upload-Offset": str(progress.offset),
            "Upload-Limit": self._limits,
        }


def limits_field(settings: Settings) -> str:
    """Return the value of `Upload-Limit`: sizes in bytes, the age in seconds."""
    age = round(settings.upload_expiry_hours * 3600)
    return f"max-size={settings.max_upload_bytes}, min-append-size=0, max-age={age}"


def refuse_state_fields(headers: Headers) -> None:
    """Refuse a request for the offset that declares one (draft-ietf-httpbis-resumable-upload, 4.3.1)."""
    if "Upload-Offset" in headers or "Upload-Complete" in headers:
        raise BadRequest("A request for the offset must not have Upload-Offset or Upload-Complete.")


def stored_image_response(image: ImageUploaded) -> Response:
    """Return 200 with an image that has the declared bytes: no upload was created."""
    return _image_response(200, image, {"Content-Location": image.links.self, "Upload-Complete": COMPLETE})


def _image_response(status: int, image: ImageUploaded, headers: Mapping[str, str]) -> Response:
    return JSONResponse(image.model_dump(mode="json"), status, headers)


def _name(headers: Headers) -> str | None:
    value = headers.get("Content-Disposition")
    name = None if value is None else file_name_of_disposition(value.encode("latin-1"))
    return None if name is None else normalized_name(name, ("header", "Content-Disposition"))


def _digest(headers: Headers) -> Checksum | None:
    """Return the SHA-256 of `Content-Digest` (RFC 9530, 2); other algorithms are ignored, as it permits."""
    match = _SHA256.search(headers.get("Content-Digest", ""))
    if match is None:
        return None
    # A digest of another length is wrong for every body.
    return Checksum("sha256", decode_base64(match[1]) or b"", DigestFailed)
