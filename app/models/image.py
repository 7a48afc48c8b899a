import uuid
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Computed,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, CreatedAt, Timestamp, gin_index


class Visibility(StrEnum):
    """The visibility of an image: everyone, or its owner and the admins."""

    PUBLIC = "public"
    PRIVATE = "private"


def week(moment: str) -> str:
    """Return, as SQL, the beginning of the week that a moment lies in: of its Monday, in UTC."""
    return f"date_bin('7 days', ({moment} AT TIME ZONE 'UTC'), '2001-01-01 00:00:00'::timestamp)"


class Image(Base):
    """A stored image; its bytes lie in the object store under `storage_key`."""

    __tablename__ = "images"
    __table_args__ = (
        CheckConstraint("visibility IN ('public', 'private')", name="visibility"),
        CheckConstraint("octet_length(sha256) = 32", name="sha256"),
        # The newest images whose names fit a glob are found in one of these alone, in their last weeks.
        Index("ix_images_week_name", text(week("created_at")), "name", postgresql_include=["created_at", "id"]),
        Index(
            "ix_images_week_reversed_name",
            text(week("created_at")),
            text("reverse(name)"),
            postgresql_include=["name", "created_at", "id"],
        ),
        Index("ix_images_created_at_id", "created_at", "id"),
        Index("ix_images_uploaded_by_created_at_id", "uploaded_by", "created_at", "id"),
        Index("ix_images_sha256_id", "sha256", "id"),
        Index("ix_images_storage_key", "storage_key", unique=True),
        Index("ix_images_size_id", "size", "id"),
        Index("ix_images_width_id", "width", "id"),
        Index("ix_images_pixels_id", "pixels", "id"),
        Index("ix_images_tag_count_id", "tag_count", "id"),
        Index("ix_images_content_type", "content_type"),
        gin_index("ix_images_name_trgm", "name", "gin_trgm_ops"),
        gin_index("ix_images_tag_ids", "tag_ids", "gin__int_ops"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(collation="C"), unique=True)
    storage_key: Mapped[str] = mapped_column(String)
    created_at: Mapped[CreatedAt]
    uploaded_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    content_type: Mapped[str] = mapped_column(String)
    size: Mapped[int] = mapped_column(BigInteger)
    width: Mapped[int] = mapped_column(Integer)
    height: Mapped[int] = mapped_column(Integer)
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    visibility: Mapped[Visibility] = mapped_column(String, default=Visibility.PUBLIC, server_default="public")
    # The shadow of `tagged`, kept by triggers; an upload writes what they would.
    tag_ids: Mapped[list[int]] = mapped_column(ARRAY(Integer), server_default=text("'{}'"))
    # What searches sort by, kept by PostgreSQL itself.
    pixels: Mapped[int] = mapped_column(BigInteger, Computed("width::bigint * height", persisted=True))
    tag_count: Mapped[int] = mapped_column(Integer, Computed("cardinality(tag_ids)", persisted=True))


class DoomedObject(Base):
    """A storage key that no committed image owns: an upload under way, or what a delete left behind."""

    __tablename__ = "doomed_objects"
    __table_args__ = (
        Index("ix_doomed_objects_uploaded_by", "uploaded_by", postgresql_where=text("uploaded_by IS NOT NULL")),
    )

    storage_key: Mapped[str] = mapped_column(String, primary_key=True)
    doomed_at: Mapped[CreatedAt] = mapped_column(server_default=func.now(), index=True)
    # Of an upload in progress: its account, and the bytes that count against the account's quota.
    uploaded_by: Mapped[uuid.UUID | None]
    reserved_bytes: Mapped[int | None] = mapped_column(BigInteger)


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
