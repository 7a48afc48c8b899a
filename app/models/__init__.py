"""The ORM models; importing this package registers every table."""

from app.models.bitmap import ImageChunk, ImageNumber, TagBitmap, UnmappedImage
from app.models.cache import CacheState
from app.models.image import DoomedObject, IdempotencyKey, Image
from app.models.invitation import Invitation
from app.models.mailed_link import LinkPurpose, MailedLink
from app.models.tag import PrivateTag, Tag, TagCountDelta, Tagged, TagImplication
from app.models.usage import StorageUsage, StorageUsageDelta
from app.models.user import ApiKey, Scope, Session, SocialIdentity, SocialSignIn, User

__all__ = [
    "ApiKey",
    "CacheState",
    "DoomedObject",
    "IdempotencyKey",
    "Image",
    "ImageChunk",
    "ImageNumber",
    "Invitation",
    "LinkPurpose",
    "MailedLink",
    "PrivateTag",
    "Scope",
    "Session",
    "SocialIdentity",
    "SocialSignIn",
    "StorageUsage",
    "StorageUsageDelta",
    "Tag",
    "TagBitmap",
    "TagCountDelta",
    "TagImplication",
    "Tagged",
    "UnmappedImage",
    "User",
]
