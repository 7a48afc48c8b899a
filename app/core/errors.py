"""Everything that can go wrong on purpose.

AppError
├── NotFound                 404  ImageNotFound, TagNotFound, SessionNotFound …
├── Conflict                 409  NameTaken, EmailTaken, TagExists …
├── Forbidden                403  AdminRequired, InsufficientScope, WrongPassword …
├── Unauthenticated          401  InvalidCredentials, InvalidToken
├── BadRequest               400  InvalidCursor, InvalidQuery …
├── Unprocessable            422  ValidationFailed, InvalidImage …
├── PayloadTooLarge 413 · UnsupportedMediaType 415 · TooManyRequests 429
├── RequestTimeout           408  UploadTimeout
├── RequestHeadTooLarge      431
└── Unavailable              503  DatabaseUnavailable, StorageUnavailable …

This module knows no HTTP: `status` is the class of the failure in the numbers that everybody knows, and
`app.http.problems` is the one place that turns an error into a response. An error is raised fresh each time; what a
client can act on goes into `extras`, which become members of the problem document.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

from app.core.field_errors import field_error, sentence, summary


class AppError(Exception):
    """Base of the tree. `slug` names the problem type, `title` says it in words, `detail` says what happened here."""

    slug: ClassVar[str] = "internal-error"
    title: ClassVar[str] = "Something went wrong on our side"
    status: ClassVar[int] = 500
    # The code of RFC 6750, 3.1, for errors of the bearer token.
    bearer_error: ClassVar[str | None] = None

    def __init__(self, detail: str | None = None, **extras: Any) -> None:
        self.detail = sentence(detail or self.title)
        super().__init__(self.detail)
        self.extras = extras


class BadRequest(AppError):
    slug, title, status = "bad-request", "The request cannot be understood", 400


class InvalidCursor(BadRequest):
    slug, title = "invalid-cursor", "The cursor does not belong to this query"


class MalformedBody(BadRequest):
    """The body does not have the syntax of its media type; of JSON, `line` and `column` are the place of the error."""

    slug, title = "malformed-body", "Malformed request body"


class SocialLoginFailed(BadRequest):
    slug, title = "social-login-failed", "The login at the identity provider could not be used"


class ClientGone(BadRequest):
    """The client disconnected. Only the record of the request shows this error."""

    slug, title = "client-disconnected", "The client went away"


class Unauthenticated(AppError):
    slug, title, status = "unauthenticated", "Credentials are needed", 401


class InvalidCredentials(Unauthenticated):
    slug, title = "invalid-credentials", "The e-mail or the password is wrong"


class InvalidToken(Unauthenticated):
    slug, title = "invalid-token", "The token is not valid"
    bearer_error = "invalid_token"


class Forbidden(AppError):
    slug, title, status = "forbidden", "You may not do this", 403


class WrongPassword(Forbidden):
    slug, title = "wrong-password", "The current password is wrong"


class AdminRequired(Forbidden):
    slug, title = "admin-required", "Only an admin may do this"


class InsufficientScope(Forbidden):
    slug, title = "insufficient-scope", "The API key does not reach this far"
    bearer_error = "insufficient_scope"


class SignInRequired(Forbidden):
    slug, title = "sign-in-required", "An API key may not do this: sign in"


class RecentSignInRequired(Forbidden):
    slug, title = "recent-sign-in-required", "A recent sign-in is required"


class SignUpClosed(Forbidden):
    slug, title = "sign-up-closed", "Sign-up is closed, or needs an invitation"


class NotFound(AppError):
    slug, title, status = "not-found", "There is nothing here", 404


class ImageNotFound(NotFound):
    slug, title = "image-not-found", "There is no such image"


class TagNotFound(NotFound):
    slug, title = "tag-not-found", "There is no such tag"


class IdentityProviderNotFound(NotFound):
    slug, title = "identity-provider-not-found", "There is no such identity provider"


class IdentityNotFound(NotFound):
    slug, title = "identity-not-found", "The account has no identity at this provider"


class UserNotFound(NotFound):
    slug, title = "user-not-found", "There is no such account"


class InvitationNotFound(NotFound):
    slug, title = "invitation-not-found", "There is no such invitation"


class SessionNotFound(NotFound):
    slug, title = "session-not-found", "There is no such session"


class ApiKeyNotFound(NotFound):
    slug, title = "api-key-not-found", "There is no such API key"


class Conflict(AppError):
    slug, title, status = "conflict", "The request conflicts with what is stored", 409


class EmailTaken(Conflict):
    slug, title = "email-taken", "An account with this e-mail exists already"


class TooManyInvitations(Conflict):
    slug, title = "too-many-invitations", "Too many invitations are not used yet"


class TooManyApiKeys(Conflict):
    slug, title = "too-many-api-keys", "The account has too many API keys"


class LastAdmin(Conflict):
    slug, title = "last-admin", "This is the last account that can act as an admin"


class IdentityTaken(Conflict):
    slug, title = "identity-taken", "This identity is linked to an account already"


class LastSignInMethod(Conflict):
    slug, title = "last-sign-in-method", "This is the last way to sign in to the account"


class NameTaken(Conflict):
    slug, title = "name-taken", "An image with this name exists already"


class RequestTimeout(AppError):
    slug, title, status = "request-timeout", "The request took too long to arrive", 408


class RequestHeadTooLarge(AppError):
    slug, title, status = "request-head-too-large", "The request line and the headers are too large", 431


class TagExists(Conflict):
    slug, title = "tag-exists", "A tag or an alias with this name exists already"


class TagIsAlias(Conflict):
    """`alias_of` is the name of the tag that the alias stands for."""

    slug, title = "tag-is-alias", "This name is an alias of a tag"

    def __init__(self, detail: str | None = None, *, alias_of: str = "") -> None:
        super().__init__(detail, alias_of=alias_of)


class TagImplied(Conflict):
    slug, title = "tag-implied", "The tag is implied by another one that the image has"


class PreconditionFailed(AppError):
    slug, title, status = "precondition-failed", "The resource has changed since you read it", 412


class PayloadTooLarge(AppError):
    slug, title, status = "payload-too-large", "The body is too large", 413


class StorageQuotaExceeded(PayloadTooLarge):
    """`quota_bytes` is the account's quota, `available_bytes` what is left of it."""

    slug, title = "storage-quota-exceeded", "The account's storage quota is exceeded"


class UnsupportedMediaType(AppError):
    slug, title, status = "unsupported-media-type", "Unsupported image type", 415


class UnsupportedBodyType(UnsupportedMediaType):
    """The request's Content-Type or Content-Encoding is not the one that the operation takes."""

    title = "Unsupported media type of the request"


class RangeNotSatisfiable(AppError):
    """`total` is the length of the content in bytes."""

    slug, title, status = "range-not-satisfiable", "The range lies outside of the content", 416

    def __init__(self, detail: str | None = None, *, total: int = 0) -> None:
        super().__init__(detail, total=total)


class Unprocessable(AppError):
    slug, title, status = "unprocessable", "The request is well formed but cannot be followed", 422


class ValidationFailed(Unprocessable):
    """Values are invalid. `errors` has one entry per value: `{"loc": [...], "msg": str, "type": str}`.

    An entry may have a member `did_you_mean`; the first suggestion is also a member of the problem document.
    """

    slug, title = "validation-error", "A value was refused"

    def __init__(self, errors: Sequence[dict[str, Any]], detail: str | None = None) -> None:
        suggestion = next((error["did_you_mean"] for error in errors if "did_you_mean" in error), None)
        extras = {} if suggestion is None else {"did_you_mean": suggestion}
        super().__init__(detail or summary(errors), errors=list(errors), **extras)

    @classmethod
    def at(cls, loc: Sequence[str | int], msg: str, kind: str = "value_error") -> "ValidationFailed":
        """Make the error for one value."""
        return cls([field_error(loc, msg, kind)])


class InvalidImage(Unprocessable):
    slug, title = "invalid-image", "The file is damaged or is no image"


class ImageTooLarge(Unprocessable):
    slug, title = "image-too-large", "The image has too many pixels"


class TooManyRequests(AppError):
    """A limit was reached; `retry_after` is in seconds."""

    slug, title, status = "too-many-requests", "Too many requests", 429

    def __init__(self, retry_after: int, detail: str | None = None) -> None:
        super().__init__(detail)
        self.retry_after = max(1, retry_after)


class TooManyConcurrentRequests(TooManyRequests):
    """The client's earlier requests of the same kind did not end in time. This is no rate limit."""


class Unavailable(AppError):
    """A backend does not answer; worth another try after `retry_after` seconds."""

    slug, title, status = "unavailable", "The service cannot do this right now", 503
    retry_after: int = 2


class ServiceStopping(Unavailable):
    slug, title = "service-stopping", "The service stops; another one answers"


class DatabaseUnavailable(Unavailable):
    slug, title = "database-unavailable", "The database does not answer"


class QueryTimeout(Unavailable):
    slug, title = "query-timeout", "The query takes too long; narrow it"


class DatabaseBusy(Unavailable):
    slug, title = "database-busy", "The database is at work on other requests; try again"


class SignInBusy(Unavailable):
    """Too many passwords wait to be hashed."""

    slug, title = "sign-in-busy", "Too many sign-ins and sign-ups at the moment"


class UploadsBusy(Unavailable):
    """The uploads in progress use all memory that uploads may use."""

    slug, title = "uploads-busy", "Too many uploads at the moment"


class StorageUnavailable(Unavailable):
    slug, title = "storage-unavailable", "The object store does not answer"


class IdentityProviderUnavailable(Unavailable):
    slug, title = "identity-provider-unavailable", "The identity provider does not answer"
