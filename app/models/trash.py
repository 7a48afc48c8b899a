"""Images in the trash, and the tags that they had."""

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, DateTime, ForeignKey, Index, Integer, LargeBinary, SmallInteger, String, func
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, CreatedAt, Timestamp
from app.models.image import Visibility


class TrashedImage(Base):
    """The row of an image that was moved to the trash. Its objects stay in the object store."""

    __tablename__ = "trashed_images"
    __table_args__ = (
        # The first also finds the images to purge. The second contains what the storage usage sums up.
        Index("ix_trashed_images_trashed_at_id", "trashed_at", "id"),
        Index(
            "ix_trashed_images_uploaded_by_trashed_at_id",
            "uploaded_by",
            "trashed_at",
            "id",
            postgresql_include=["size"],
        ),
        Index("ix_trashed_images_storage_key", "storage_key", unique=True),
    )

    # The columns of `images` that are not computed.
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(collation="C"))
    storage_key: Mapped[str] = mapped_column(String)
    created_at: Mapped[Timestamp]
    uploaded_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    content_type: Mapped[str] = mapped_column(String)
    size: Mapped[int] = mapped_column(BigInteger)
    width: Mapped[int] = mapped_column(Integer)
    height: Mapped[int] = mapped_column(Integer)
    taken_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=False))
    taken_at_offset: Mapped[int | None] = mapped_column(SmallInteger)
    camera: Mapped[str | None] = mapped_column(String(collation="C"))
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    visibility: Mapped[Visibility] = mapped_column(String)

    trashed_at: Mapped[CreatedAt] = mapped_column(server_default=func.now())
    # The account that deleted the image. No foreign key: the account may be deleted at the same time.
    trashed_by: Mapped[uuid.UUID | None]
    # Identifies the request that deleted several images.
    batch: Mapped[uuid.UUID | None] = mapped_column(index=True)


class TrashedTag(Base):
    """A tag of an image in the trash, as in `tagged`.

    No foreign key to the tag, since it would lock the tag. A trigger on `tags` replaces a tag that becomes an alias by
    its target. The rows of a deleted tag have no effect.
    """

    __tablename__ = "trashed_tags"

    image: Mapped[uuid.UUID] = mapped_column(ForeignKey("trashed_images.id", ondelete="CASCADE"), primary_key=True)
    tag: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False, index=True)
    created_at: Mapped[Timestamp]
    is_explicit: Mapped[bool]
