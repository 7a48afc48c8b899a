"""What a bitmap index over the common tags consists of. See docs/decisions/0007."""

import uuid
from collections.abc import Mapping
from types import MappingProxyType

from sqlalchemy import BigInteger, Index, Integer
from sqlalchemy.dialects.postgresql import BIT
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, Timestamp

# So many images share a row of each tag: 1 KiB, which PostgreSQL keeps in the row.
CHUNK = 8192
# Bitmaps that are no tag's; the images of a type never change theirs.
ALL_IMAGES, PUBLIC_IMAGES = 0, -1
IMAGES_OF_TYPE: Mapping[str, int] = MappingProxyType({"jpeg": -2, "png": -3, "webp": -4, "gif": -5, "avif": -6})


class ImageNumber(Base):
    """The number of an image: its bit. No foreign key: a deleted image has its number until its bits are taken back."""

    __tablename__ = "image_numbers"

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    image: Mapped[uuid.UUID] = mapped_column(unique=True)


class TagBitmap(Base):
    """Which images of a chunk have the tag: those with the numbers from `CHUNK * chunk` on.

    A tag has a row for every chunk there is, or for none. What it says of an image in `unmapped_images` means nothing.
    """

    __tablename__ = "tag_bitmaps"
    __table_args__ = (Index("ix_tag_bitmaps_chunk_tag", "chunk", "tag"),)

    tag: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    chunk: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    bits: Mapped[str] = mapped_column(BIT(CHUNK))


class ImageChunk(Base):
    """Between which times all images of a chunk were created. It only grows."""

    __tablename__ = "image_chunks"

    chunk: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    oldest: Mapped[Timestamp]
    newest: Mapped[Timestamp]


class UnmappedImage(Base):
    """An image whose creation, deletion, or change of tags or visibility the bitmaps do not know yet."""

    __tablename__ = "unmapped_images"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    image: Mapped[uuid.UUID]
