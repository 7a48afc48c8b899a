"""The ORM models; importing this package registers every table."""

from app.models.cache import CacheState
from app.models.image import DoomedObject, IdempotencyKey, Image
from app.models.tag import Tag, TagCountDelta, Tagged, TagImplication
from app.models.user import ApiKey, Scope, Session, SocialIdentity, SocialSignIn, User

__all__ = [
    "ApiKey",
    "CacheState",
    "DoomedObject",
    "IdempotencyKey",
    "Image",
    "Scope",
    "Session",
    "SocialIdentity",
    "SocialSignIn",
    "Tag",
    "TagCountDelta",
    "TagImplication",
    "Tagged",
    "User",
]
