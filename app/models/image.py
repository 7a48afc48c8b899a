import uuid
from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Integer, LargeBinary, String, Text, func, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, CreatedAt, Timestamp


class Visibility(StrEnum):
    """Who may see an image: everyone, or its owner and the admins."""

    PUBLIC = "public"
    PRIVATE = "private"


class Image(Base):
    """A stored image; its bytes lie in the object store under `storage_key`."""

    __tablename__ = "images"
    __table_args__ = (
        CheckConstraint("visibility IN ('public', 'private')", name="visibility"),
        CheckConstraint("octet_length(sha256) = 32", name="sha256"),
        Index("ix_images_created_at_id", "created_at", "id"),
        Index("ix_images_uploaded_by", "uploaded_by"),
        Index("ix_images_sha256", "sha256"),
        Index("ix_images_storage_key", "storage_key", unique=True),
        Index("ix_images_tag_ids", "tag_ids", postgresql_using="gin"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String, unique=True)
    storage_key: Mapped[str] = mapped_column(String)
    created_at: Mapped[CreatedAt]
    uploaded_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    content_type: Mapped[str] = mapped_column(String)
    size: Mapped[int] = mapped_column(BigInteger)
    width: Mapped[int] = mapped_column(Integer)
    height: Mapped[int] = mapped_column(Integer)
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    visibility: Mapped[Visibility] = mapped_column(String, default=Visibility.PUBLIC, server_default="public")
    # The shadow of `tagged`, kept by triggers: no code writes it.
    tag_ids: Mapped[list[int]] = mapped_column(ARRAY(Integer), server_default=text("'{}'"))


class DoomedObject(Base):
    """A storage key that no committed image owns: an upload under way, or what a delete left behind."""

    __tablename__ = "doomed_objects"

    storage_key: Mapped[str] = mapped_column(String, primary_key=True)
    doomed_at: Mapped[CreatedAt] = mapped_column(server_default=func.now(), index=True)


class IdempotencyKey(Base):
    """A client's promise to mean one upload, however often it sends it.

    While the upload runs, `answer` is null and `expires_at` a lease that it keeps renewing; afterwards they are the
    answer and the time until which it is repeated.
    """

    __tablename__ = "idempotency_keys"
    __table_args__ = (CheckConstraint("(answer IS NULL) = (fingerprint IS NULL)", name="answered"),)

    id: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    fingerprint: Mapped[bytes | None] = mapped_column(LargeBinary)
    answer: Mapped[str | None] = mapped_column(Text)
    image: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("images.id", ondelete="CASCADE"), index=True)
    expires_at: Mapped[Timestamp] = mapped_column(index=True)
