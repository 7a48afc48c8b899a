"""The ORM models; importing this package registers every table."""

from app.models.image import DoomedObject, Image
from app.models.tag import Tag, TagCountDelta, Tagged, TagImplication
from app.models.user import Session, User

__all__ = ["DoomedObject", "Image", "Session", "Tag", "TagCountDelta", "TagImplication", "Tagged", "User"]
