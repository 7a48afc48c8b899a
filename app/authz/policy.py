"""Who may do what. Every guard and every service asks here; no rule stands anywhere else, but for who sees
an image, which queries have to know as well: `app.authz.visibility`.

| who                       | may                                                                            |
|---------------------------|--------------------------------------------------------------------------------|
| anyone                    | see what is public                                                             |
| a user                    | see and change what is theirs, add tags to what is public                      |
| an admin                  | see and change everything                                                      |
| an API key                | what its account may, cut down to `read` (GET), `write` (the rest), `admin`    |
| a sign-in (no API key)    | also change the account and its credentials: a leaked key must not outlive itself |
"""

from app.authz.principal import Viewer
from app.authz.visibility import Seen, Sight
from app.core.errors import AdminRequired, Forbidden, InsufficientScope, SignInRequired, Unauthenticated
from app.models import Image, Scope, User
from app.models.image import Visibility


def require_scope(viewer: Viewer, method: str) -> None:
    """Let pass what the credential's scopes allow. Raises InsufficientScope."""
    scope = Scope.READ if method in ("GET", "HEAD") else Scope.WRITE
    if not viewer.has(scope):
        raise InsufficientScope(f"This API key does not have the scope `{scope}`", scope=scope.value)


def require_user(viewer: Viewer) -> User:
    """Return the account of the caller. Raises Unauthenticated."""
    if viewer.user is None:
        raise Unauthenticated
    return viewer.user


def require_sign_in(viewer: Viewer) -> User:
    """Return the account, when it asks from a session. Raises Unauthenticated, SignInRequired."""
    user = require_user(viewer)
    if viewer.session_id is None:
        raise SignInRequired
    return user


def require_admin(viewer: Viewer) -> User:
    """Return the admin that asks. Raises Unauthenticated, AdminRequired."""
    user = require_user(viewer)
    if not viewer.is_admin:
        raise AdminRequired
    return user


def is_owner(viewer: Viewer, image: Seen) -> bool:
    """Tell whether the image is the viewer's; one without an owner is nobody's."""
    return viewer.id is not None and image.uploaded_by == viewer.id


def sight_of(viewer: Viewer) -> Sight:
    """Return which images are there for the viewer; all others are not found."""
    return Sight(viewer.id, viewer.is_admin)


def may_change(viewer: Viewer, image: Image) -> bool:
    """Return whether the viewer may change an image that they may see."""
    return viewer.is_admin or is_owner(viewer, image)


def require_change(viewer: Viewer, image: Image) -> None:
    """Let pass who may change an image that they may see. Raises Forbidden."""
    if not may_change(viewer, image):
        raise Forbidden("Only the owner of the image or an admin can change it")


def require_tagger(viewer: Viewer, image: Image) -> None:
    """Let every user add tags to a public image. Raises Forbidden."""
    if image.visibility != Visibility.PUBLIC:
        require_change(viewer, image)
