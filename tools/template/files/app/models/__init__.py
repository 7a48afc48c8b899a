"""The ORM models; importing this package registers every table."""

from app.models.note import Note

__all__ = ["Note"]
