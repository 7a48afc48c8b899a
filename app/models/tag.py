"""Tags, aliases, implications, and the tags of images."""

import uuid

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    String,
    UniqueConstraint,
    false,
    text,
    true,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, CreatedAt, gin_index

# SQL for the number of public images that have the tag `t`: the compacted count plus the pending changes.
EXACT_COUNT = "t.image_count + coalesce((SELECT sum(delta) FROM tag_count_deltas d WHERE d.tag_id = t.id), 0)::int"

# `private_tags.owner_id` of private images without an owner.
NO_OWNER = uuid.UUID(int=0)


class Tag(Base):
    """A tag with its normalised name, or an alias of the tag `alias_of`.

    Both share a table, so that the unique index on `name` keeps an alias from having the name of a tag.
    """

    __tablename__ = "tags"
    __table_args__ = (
        Index("ix_tags_image_count_name", text("image_count DESC"), "name", postgresql_where=text("alias_of IS NULL")),
        Index("ix_tags_alias_of", "alias_of", postgresql_where=text("alias_of IS NOT NULL")),
        gin_index("ix_tags_name_trgm", "name", "gin_trgm_ops"),
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(String(collation="C"), unique=True)
    created_at: Mapped[CreatedAt]
    # Public images that have the tag, without the changes still in `tag_count_deltas`.
    image_count: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    alias_of: Mapped[int | None] = mapped_column(ForeignKey("tags.id", ondelete="CASCADE"))
    # Created by name, so every caller sees it, even without a public image.
    is_listed: Mapped[bool] = mapped_column(server_default=false(), default=False)


class TagImplication(Base):
    """A rule: an image with the tag `tag_id` also has the tag `implied_tag_id`."""

    __tablename__ = "tag_implications"
    __table_args__ = (CheckConstraint("tag_id <> implied_tag_id", name="irreflexive"),)

    tag_id: Mapped[int] = mapped_column(ForeignKey("tags.id", ondelete="CASCADE"), primary_key=True)
    implied_tag_id: Mapped[int] = mapped_column(ForeignKey("tags.id", ondelete="CASCADE"), primary_key=True, index=True)
    created_at: Mapped[CreatedAt]


class TagCountDelta(Base):
    """A change of a tag's count that is not in `tags.image_count` yet. No foreign key: writers lock no tag."""

    __tablename__ = "tag_count_deltas"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    tag_id: Mapped[int] = mapped_column(Integer, index=True)
    delta: Mapped[int] = mapped_column(Integer)


class PrivateTag(Base):
    """An account has, or had, a private image with a tag; `NO_OWNER` stands for images without an owner.

    Triggers on `images` add rows; only the deletion of the account removes them. So writers never wait for each
    other's counts. No foreign keys: writers lock no tag, and the tags of a deleted account stay private.
    """

    __tablename__ = "private_tags"

    tag_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    owner_id: Mapped[uuid.UUID] = mapped_column(primary_key=True, index=True)


class Tagged(Base):
    """A tag of an image. `images.tag_ids` is a copy of these rows, kept by triggers."""

    __tablename__ = "tagged"
    # The primary key's columns in reverse order: also the index from an image to its tags.
    __table_args__ = (UniqueConstraint("image", "tag"),)

    tag: Mapped[int] = mapped_column(ForeignKey("tags.id", ondelete="CASCADE"), primary_key=True)
    image: Mapped[uuid.UUID] = mapped_column(ForeignKey("images.id", ondelete="CASCADE"), primary_key=True)
    created_at: Mapped[CreatedAt]
    # Added to the image itself; false: only implied by an explicit tag.
    is_explicit: Mapped[bool] = mapped_column(server_default=true(), default=True)
