import uuid

from sqlalchemy import ForeignKey, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, CreatedAt


class Tag(Base):
    """A tag, known by its normalised name."""

    __tablename__ = "tags"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(String, unique=True)
    created_at: Mapped[CreatedAt]


class Tagged(Base):
    """An image has a tag. `images.tag_ids` is the shadow of these rows."""

    __tablename__ = "tagged"
    # Unique over the same two columns as the key, in the other order: it is also the index from an image to its tags.
    __table_args__ = (UniqueConstraint("image", "tag"),)

    tag: Mapped[int] = mapped_column(ForeignKey("tags.id", ondelete="CASCADE"), primary_key=True)
    image: Mapped[uuid.UUID] = mapped_column(ForeignKey("images.id", ondelete="CASCADE"), primary_key=True)
    created_at: Mapped[CreatedAt]
