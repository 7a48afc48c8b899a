"""The ORM models; importing this package registers every table."""

from app.models.image import DoomedObject, IdempotencyKey, Image
from app.models.tag import Tag, Tagged
from app.models.user import Session, User

__all__ = ["DoomedObject", "IdempotencyKey", "Image", "Session", "Tag", "Tagged", "User"]
