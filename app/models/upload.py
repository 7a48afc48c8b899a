"""Resumable uploads and the parts that the object store has of them."""

import uuid
from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Integer, LargeBinary, String, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, CreatedAt, Timestamp
from app.models.image import Visibility


class UploadState(StrEnum):
    """The state of a resumable upload: open for bytes, completed as an image, or cancelled by a client or an error."""

    OPEN = "open"
    COMPLETE = "complete"
    CANCELLED = "cancelled"


class Upload(Base):
    """A resumable upload of an account, or of a client without an account."""

    __tablename__ = "uploads"
    __table_args__ = (
        CheckConstraint("state IN ('open', 'complete', 'cancelled')", name="state"),
        CheckConstraint("visibility IN ('public', 'private')", name="visibility"),
        Index("ix_uploads_user_id_created_at", "user_id", "created_at", postgresql_where=text("state = 'open'")),
        Index("ix_uploads_client", "client", postgresql_where=text("state = 'open' AND client IS NOT NULL")),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    # No foreign key: the expiry of an upload needs the row, to release its objects.
    user_id: Mapped[uuid.UUID | None]
    # The network of a client without an account, for the limit of its uploads.
    client: Mapped[str | None] = mapped_column(String)
    name: Mapped[str] = mapped_column(String)
    tags: Mapped[list[str]] = mapped_column(ARRAY(String))
    visibility: Mapped[Visibility] = mapped_column(String)
    on_conflict: Mapped[str | None] = mapped_column(String)
    # The digest that the client declared.
    sha256: Mapped[bytes | None] = mapped_column(LargeBinary)
    # `Upload-Metadata` as it was sent.
    client_metadata: Mapped[str | None] = mapped_column(Text)
    # None while the client has not declared it.
    length: Mapped[int | None] = mapped_column(BigInteger)
    received_bytes: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    storage_key: Mapped[str] = mapped_column(String)
    # The id of the multipart upload in the object store, from the first complete part on.
    multipart_id: Mapped[str | None] = mapped_column(String)
    next_part_number: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    # The request that may write, and whether another one waits for it to end.
    writer: Mapped[uuid.UUID | None]
    handover_requested: Mapped[bool] = mapped_column(server_default=text("false"))
    state: Mapped[UploadState] = mapped_column(String, server_default="open")
    image_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("images.id", ondelete="SET NULL"), index=True)
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[Timestamp] = mapped_column(index=True)


class UploadPart(Base):
    """Stored bytes of an upload: a part of its multipart upload, or an object of its own that is not a part yet."""

    __tablename__ = "upload_parts"
    __table_args__ = (
        CheckConstraint("(part_number IS NULL) = (etag IS NULL)", name="part"),
        CheckConstraint("(part_number IS NULL) <> (storage_key IS NULL)", name="place"),
    )

    upload_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("uploads.id", ondelete="CASCADE"), primary_key=True)
    # The offset of the first byte in the upload.
    start: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    size: Mapped[int] = mapped_column(Integer)
    part_number: Mapped[int | None] = mapped_column(Integer)
    etag: Mapped[str | None] = mapped_column(String)
    storage_key: Mapped[str | None] = mapped_column(String)
