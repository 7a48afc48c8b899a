"""The errors of resumable uploads."""

from app.core.errors import AppError, BadRequest, Conflict, NotFound, PayloadTooLarge, PreconditionFailed

_IANA = "https://iana.org/assignments/http-problem-types#"


class UploadNotFound(NotFound):
    slug, title = "upload-not-found", "Upload not found"
    description = "The caller has no upload with this id."


class UploadEnded(AppError):
    slug, title, status = "upload-ended", "Upload ended", 410
    description = "The upload was cancelled or refused, has expired, or its bytes are lost."


class OffsetMismatch(Conflict):
    """`expected-offset` is the number of bytes that the upload has, `provided-offset` the one of the request."""

    slug, title = "mismatching-upload-offset", "Mismatching upload offset"
    description = "The Upload-Offset of the request is not the offset of the upload."
    type_uri = f"{_IANA}mismatching-upload-offset"

    def __init__(self, expected: int = 0, provided: int = 0) -> None:
        super().__init__(
            f"The upload continues at offset {expected}, not {provided}.",
            **{"expected-offset": expected, "provided-offset": provided},
        )
        self.expected = expected


class InconsistentLength(BadRequest):
    slug, title = "inconsistent-upload-length", "Inconsistent upload length"
    description = "The request contradicts the length of the upload."
    type_uri = f"{_IANA}inconsistent-upload-length"


class ExcessBytes(InconsistentLength):
    """The request has more bytes than the upload lacks; the upload ends."""


class AppendTooLarge(PayloadTooLarge):
    """The same, but the upload does not end."""


class AppendSuperseded(Conflict):
    slug, title = "append-superseded", "Append superseded"
    description = "A later request took over the upload. This one was terminated."


class TooManyUploads(Conflict):
    slug, title = "too-many-uploads", "Too many uploads in progress"
    description = "The account or the client has too many uploads in progress."


class ChecksumFailed(AppError):
    """The status is that of tus 1.0.0."""

    slug, title, status = "checksum-mismatch", "Checksum mismatch", 460
    description = "The bytes of the request do not have the declared checksum. They were discarded."


class DigestFailed(BadRequest):
    slug, title = "digest-mismatch", "Digest mismatch"
    description = "The bytes of the request do not have the declared Content-Digest. They were discarded."


class InvalidUploadHeader(BadRequest):
    slug, title = "invalid-upload-header", "Invalid upload header"
    description = "A header field of the upload protocol is missing or malformed."


class UnsupportedUploadVersion(PreconditionFailed):
    slug, title = "unsupported-upload-version", "Unsupported upload version"
    description = "The request names no supported version of an upload protocol."
