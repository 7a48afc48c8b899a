"""The tree of application errors.

AppError
├── NotFound                 404  ImageNotFound, TagNotFound …
├── Conflict                 409  NameTaken, TagExists …
├── Forbidden                403  AdminRequired, InsufficientScope …
├── Unauthenticated          401  InvalidToken
├── BadRequest               400  InvalidCursor, InvalidQuery …
├── Unprocessable            422  ValidationFailed, InvalidImage …
├── PayloadTooLarge 413 · UnsupportedMediaType 415 · TooManyRequests 429
├── RequestTimeout           408  UploadTimeout
├── RequestHeadTooLarge      431
└── Unavailable              503  DatabaseUnavailable, StorageUnavailable …

It has the base classes, and the errors that several features or a package below them raise. The other errors are in
the `errors` module of their feature.

This module does not depend on HTTP. `status` uses the numbers of HTTP as a classification, and only `app.http.problems`
maps an error to a response. `extras` become members of the problem document.
"""

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from app.core.field_errors import field_error, sentence, summary


class AppError(Exception):
    """Base of the tree.

    `slug` identifies the problem type. `title` is a noun phrase, `description` a sentence that is true of every error
    of the type. `detail` is a sentence about this error, by default the description.
    """

    slug: ClassVar[str] = "internal-error"
    title: ClassVar[str] = "Internal error"
    status: ClassVar[int] = 500
    description: ClassVar[str] = "The service failed. The log has the details under the request id."
    # Constraints of the database that a request can violate. `app.db` reports the violation as this error.
    constraints: ClassVar[Sequence[str]] = ()
    # The type of a problem that another standard defines; None for a page of this service.
    type_uri: ClassVar[str | None] = None
    # The code of RFC 6750, 3.1, for errors of the bearer token.
    bearer_error: ClassVar[str | None] = None

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "title" in cls.__dict__ and "description" not in cls.__dict__:
            cls.description = sentence(cls.title)

    def __init__(self, detail: str | None = None, **extras: Any) -> None:
        self.detail = sentence(detail or self.description)
        super().__init__(self.detail)
        self.extras = extras


def error_types(base: type[AppError] = AppError) -> Iterator[type[AppError]]:
    """Yield the classes of the tree under `base`, each after those that derive from it."""
    for kind in base.__subclasses__():
        yield from error_types(kind)
    yield base


class BadRequest(AppError):
    slug, title, status = "bad-request", "Bad request", 400
    description = "The request is malformed."


class InvalidCursor(BadRequest):
    slug, title = "invalid-cursor", "Invalid cursor"
    description = "The cursor is damaged or belongs to another query."


class MethodNotAllowed(AppError):
    slug, title, status = "method-not-allowed", "Method not allowed", 405
    description = "The resource does not support the request method. The Allow header lists the supported ones."


class HttpError(AppError):
    """Any other error of the framework; its response has the framework's status."""

    slug, title, status = "http-error", "HTTP error", 400
    description = "The request cannot be served."


class MalformedBody(BadRequest):
    """The body does not have the syntax of its media type; of JSON, `line` and `column` are the place of the error."""

    slug, title = "malformed-body", "Malformed request body"
    description = "The request body does not have the syntax of its media type."


class ClientDisconnected(BadRequest):
    """The client disconnected. Only the record of the request shows this error."""

    slug, title = "client-disconnected", "Client disconnected"
    description = "The client closed the connection before the response."


class Unauthenticated(AppError):
    slug, title, status = "unauthenticated", "Authentication required", 401
    description = "The request needs an access token or an API key."


class InvalidToken(Unauthenticated):
    slug, title = "invalid-token", "Invalid token"
    description = "The access token, refresh token or API key is invalid or has expired."
    # An account may be deleted while it is used.
    constraints = (
        "fk_user_sessions_user_id_users",
        "fk_api_keys_user_id_users",
        "fk_oauth_flows_session_id_user_sessions",
        "fk_social_identities_user_id_users",
        "fk_images_uploaded_by_users",
    )
    bearer_error = "invalid_token"


class Forbidden(AppError):
    slug, title, status = "forbidden", "Forbidden", 403
    description = "The caller does not have permission for this operation."


class AdminRequired(Forbidden):
    slug, title = "admin-required", "Admin required"
    description = "The operation is limited to admins."


class InsufficientScope(Forbidden):
    slug, title = "insufficient-scope", "Insufficient scope"
    description = "The scopes of the API key do not include this operation."
    bearer_error = "insufficient_scope"


class SignInRequired(Forbidden):
    slug, title = "sign-in-required", "Sign-in required"
    description = "The operation needs an access token. An API key is not sufficient."


class NotFound(AppError):
    slug, title, status = "not-found", "Not found", 404
    description = "There is no resource at this path."


class Conflict(AppError):
    slug, title, status = "conflict", "Conflict", 409
    description = "The request conflicts with the state of the resource."


class RequestTimeout(AppError):
    slug, title, status = "request-timeout", "Request timeout", 408
    description = "The request did not arrive in time."


class RequestHeadTooLarge(AppError):
    slug, title, status = "request-head-too-large", "Request head too large", 431
    description = "The request line and the headers are larger than the limit."


class PreconditionFailed(AppError):
    slug, title, status = "precondition-failed", "Precondition failed", 412
    description = "The resource has changed since the client read it."


class PayloadTooLarge(AppError):
    slug, title, status = "payload-too-large", "Request body too large", 413
    description = "The request body is larger than the limit."


class UnsupportedMediaType(AppError):
    slug, title, status = "unsupported-media-type", "Unsupported media type", 415
    description = "The file or the request body has a media type or coding that the operation does not support."


class UnsupportedBodyType(UnsupportedMediaType):
    """The Content-Type or Content-Encoding of the request is not supported."""

    description = "The request body has a media type or coding that the operation does not support."


class RangeNotSatisfiable(AppError):
    """`total` is the length of the content in bytes."""

    slug, title, status = "range-not-satisfiable", "Range not satisfiable", 416
    description = "The range is outside of the content."

    def __init__(self, detail: str | None = None, *, total: int = 0) -> None:
        super().__init__(detail, total=total)


class Unprocessable(AppError):
    slug, title, status = "unprocessable", "Unprocessable request", 422
    description = "The request is well-formed but cannot be processed."


class ValidationFailed(Unprocessable):
    """Values are invalid. `errors` has one entry per value: `{"loc": [...], "msg": str, "type": str}`.

    An entry may have a member `did_you_mean`; the first suggestion is also a member of the problem document.
    """

    slug, title = "validation-error", "Validation error"
    description = "A value in the request is invalid."

    def __init__(self, errors: Sequence[dict[str, Any]], detail: str | None = None) -> None:
        suggestion = next((error["did_you_mean"] for error in errors if "did_you_mean" in error), None)
        extras = {} if suggestion is None else {"did_you_mean": suggestion}
        super().__init__(detail or summary(errors), errors=list(errors), **extras)

    @classmethod
    def at(cls, loc: Sequence[str | int], msg: str, kind: str = "value_error") -> "ValidationFailed":
        """Make the error for one value."""
        return cls([field_error(loc, msg, kind)])


class TooManyRequests(AppError):
    """A limit was reached; `retry_after` is in seconds."""

    slug, title, status = "too-many-requests", "Too many requests", 429
    description = "A rate limit is reached, or earlier requests of the caller are still in progress."

    def __init__(self, retry_after: int, detail: str | None = None) -> None:
        super().__init__(detail)
        self.retry_after = max(1, retry_after)


class TooManyConcurrentRequests(TooManyRequests):
    """The client's earlier requests of the same kind did not end in time. This is no rate limit."""


class Unavailable(AppError):
    """A backend does not respond. The client may try again after `retry_after` seconds."""

    slug, title, status = "unavailable", "Service unavailable", 503
    description = "The service cannot process the request at present."
    retry_after: int = 2


class ServiceStopping(Unavailable):
    slug, title = "service-stopping", "Service stopping"
    description = "The process is stopping. Another attempt may reach another process."


class DatabaseUnavailable(Unavailable):
    slug, title = "database-unavailable", "Database unavailable"
    description = "The database does not respond."


class QueryTimeout(Unavailable):
    slug, title = "query-timeout", "Query timeout"
    description = "The query exceeded the time limit. Use a narrower query."


class DatabaseBusy(Unavailable):
    slug, title = "database-busy", "Database busy"
    description = "All database connections are in use."


class SignInBusy(Unavailable):
    """Too many passwords wait to be hashed."""

    slug, title = "sign-in-busy", "Sign-in busy"
    description = "Too many passwords are waiting for verification."


class UploadsBusy(Unavailable):
    """The uploads in progress use all memory that uploads may use."""

    slug, title = "uploads-busy", "Uploads busy"
    description = "Uploads in progress use all memory reserved for uploads."


class StorageUnavailable(Unavailable):
    slug, title = "storage-unavailable", "Object store unavailable"
    description = "The object store does not respond."
