"""The authorization rules of the service, except the visibility of images and tags (`app.authz.visibility`).

| principal           | permissions                                                                     |
|---------------------|---------------------------------------------------------------------------------|
| anonymous           | see public images                                                               |
| user                | see and change its own images, add tags to public images                        |
| admin               | see and change everything                                                       |
| API key             | those of its account, within the scopes `read` (GET, QUERY), `write` (the rest), `admin` |
| session (no API key) | also change the account and its credentials: a leaked key must not create others |
"""

from collections.abc import Callable
from typing import Any, TypeVar

from app.authz.principal import Principal
from app.authz.visibility import HasVisibility
from app.core.errors import AdminRequired, Forbidden, InsufficientScope, SignInRequired, Unauthenticated
from app.models import Image, Scope, User
from app.models.image import Visibility

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])

_SAFE_METHODS = ("GET", "HEAD", "QUERY")
_ATTRIBUTE = "is_read"


def reads(endpoint: Endpoint) -> Endpoint:
    """Mark a POST endpoint that changes nothing, so that the scope `read` is sufficient."""
    setattr(endpoint, _ATTRIBUTE, True)
    return endpoint


def require_scope(principal: Principal, method: str, endpoint: object = None) -> None:
    """Raise InsufficientScope unless the scopes of the credential include that of the method or the endpoint."""
    is_read = method in _SAFE_METHODS or getattr(endpoint, _ATTRIBUTE, False)
    scope = Scope.READ if is_read else Scope.WRITE
    if not principal.has(scope):
        raise InsufficientScope(f"This API key does not have the scope `{scope}`", scope=scope.value)


def require_user(principal: Principal) -> User:
    """Return the account of the caller. Raises Unauthenticated."""
    if principal.user is None:
        raise Unauthenticated
    return principal.user


def require_sign_in(principal: Principal) -> User:
    """Return the account of a session. Raises Unauthenticated; SignInRequired for an API key."""
    user = require_user(principal)
    if principal.session_id is None:
        raise SignInRequired
    return user


def require_admin(principal: Principal) -> User:
    """Return the account of an admin. Raises Unauthenticated, AdminRequired."""
    user = require_user(principal)
    if not principal.is_admin:
        raise AdminRequired
    return user


def is_owner(principal: Principal, image: HasVisibility) -> bool:
    """Return whether the principal owns the image. An image without an owner belongs to no principal."""
    return principal.id is not None and image.uploaded_by == principal.id


def can_edit(principal: Principal, image: Image) -> bool:
    """Return whether the principal may change a visible image."""
    return principal.is_admin or is_owner(principal, image)


def ensure_can_edit(principal: Principal, image: Image) -> None:
    """Raise Forbidden unless the principal may change a visible image."""
    if not can_edit(principal, image):
        raise Forbidden("Only the owner of the image or an admin can change it")


def ensure_can_tag(principal: Principal, image: Image) -> None:
    """Raise Forbidden unless the principal may add tags: every user may tag a public image."""
    if image.visibility != Visibility.PUBLIC:
        ensure_can_edit(principal, image)
