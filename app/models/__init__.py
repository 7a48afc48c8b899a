"""The ORM models; importing this package registers every table."""

from app.models.audit import AuditAction, AuditEvent
from app.models.bitmap import BitmapChunk, BitmapIndexQueueEntry, BitmapOrdinal, TagBitmap
from app.models.cache import CacheState
from app.models.history import (
    OrphanedTagHistory,
    TagEvent,
    TagEventSource,
    TagLinkKind,
    TagOperation,
    TagOperationKind,
    TagOperationLink,
)
from app.models.image import IdempotencyKey, Image, ImageHash, OrphanedObject
from app.models.invitation import Invitation
from app.models.mailed_link import LinkPurpose, MailedLink
from app.models.tag import PrivateTag, Tag, TagCountDelta, Tagged, TagImplication
from app.models.trash import TrashedImage, TrashedTag
from app.models.upload import Upload, UploadPart, UploadState
from app.models.usage import StorageUsage, StorageUsageDelta
from app.models.user import ApiKey, OAuthFlow, Scope, SocialIdentity, User, UserSession

__all__ = [
    "ApiKey",
    "AuditAction",
    "AuditEvent",
    "BitmapChunk",
    "BitmapIndexQueueEntry",
    "BitmapOrdinal",
    "CacheState",
    "IdempotencyKey",
    "Image",
    "ImageHash",
    "Invitation",
    "LinkPurpose",
    "MailedLink",
    "OAuthFlow",
    "OrphanedObject",
    "OrphanedTagHistory",
    "PrivateTag",
    "Scope",
    "SocialIdentity",
    "StorageUsage",
    "StorageUsageDelta",
    "Tag",
    "TagBitmap",
    "TagCountDelta",
    "TagEvent",
    "TagEventSource",
    "TagImplication",
    "TagLinkKind",
    "TagOperation",
    "TagOperationKind",
    "TagOperationLink",
    "Tagged",
    "TrashedImage",
    "TrashedTag",
    "Upload",
    "UploadPart",
    "UploadState",
    "User",
    "UserSession",
]
