"""The bitmap index over common tags: one bit for each pair of tag and image. See docs/decisions/0007."""

import uuid
from collections.abc import Mapping
from types import MappingProxyType

from sqlalchemy import BigInteger, Index, Integer
from sqlalchemy.dialects.postgresql import BIT
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, Timestamp

# Images per bitmap row. 8,192 bits are 1 KiB, which PostgreSQL stores inline, without TOAST.
CHUNK = 8192
# Values of `tag_bitmaps.tag_id` that stand for a set of images instead of a tag; real ids are positive.
ALL_IMAGES, PUBLIC_IMAGES = 0, -1
IMAGES_OF_TYPE: Mapping[str, int] = MappingProxyType(
    {"jpeg": -2, "png": -3, "webp": -4, "gif": -5, "avif": -6, "heic": -7}
)


class BitmapOrdinal(Base):
    """The position of an image's bit in every bitmap.

    No foreign key: a deleted image keeps its ordinal until its bits are cleared.
    """

    __tablename__ = "bitmap_ordinals"

    ordinal: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    image_id: Mapped[uuid.UUID] = mapped_column(unique=True)


class TagBitmap(Base):
    """The images of one chunk that have a tag; bit n is the image with the ordinal `CHUNK * chunk + n`.

    A tag has a row for every chunk, or none at all. The bits of an image in `bitmap_index_queue` are out of date.
    No foreign key: the id can stand for a set of images (`ALL_IMAGES`, `PUBLIC_IMAGES`, `IMAGES_OF_TYPE`).
    """

    __tablename__ = "tag_bitmaps"
    __table_args__ = (Index("ix_tag_bitmaps_chunk_tag_id", "chunk", "tag_id"),)

    tag_id: Mapped[int] = mapped_column(
        Integer,
        primary_key=True,
        autoincrement=False,
        comment="0: all images; -1: public images; -2 to -7: JPEG, PNG, WebP, GIF, AVIF, HEIC; else tags.id",
    )
    chunk: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    bits: Mapped[str] = mapped_column(BIT(CHUNK))


class BitmapChunk(Base):
    """The range of creation times of the images in a chunk. It only grows: a deleted image does not shrink it."""

    __tablename__ = "bitmap_chunks"

    chunk: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    min_created_at: Mapped[Timestamp]
    max_created_at: Mapped[Timestamp]


class BitmapIndexQueueEntry(Base):
    """An image that was created, deleted, retagged or changed in visibility since the bitmaps were last updated."""

    __tablename__ = "bitmap_index_queue"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    image_id: Mapped[uuid.UUID]
