"""Notes."""

import uuid

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, CreatedAt


class Note(Base):
    """A note with a unique title."""

    __tablename__ = "notes"
    # The order of the list.
    __table_args__ = (Index("ix_notes_created_at_id", "created_at", "id"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    title: Mapped[str] = mapped_column(String, unique=True)
    text: Mapped[str] = mapped_column(String)
    created_at: Mapped[CreatedAt]
