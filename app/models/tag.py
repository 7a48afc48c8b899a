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

# How many public images have the tag `t`, in SQL: what is counted and what is not yet, read in one snapshot.
EXACT_COUNT = "t.images + coalesce((SELECT sum(delta) FROM tag_count_deltas d WHERE d.tag = t.id), 0)::int"

# The owner of private images that belong to no account.
NOBODY = uuid.UUID(int=0)


class Tag(Base):
    """A tag, known by its normalised name; or, with `alias_of`, another name of one.

    Both live in one table, so that the unique index on the name keeps a name from being both.
    """

    __tablename__ = "tags"
    __table_args__ = (
        Index("ix_tags_images_name", text("images DESC"), "name", postgresql_where=text("alias_of IS NULL")),
        Index("ix_tags_alias_of", "alias_of", postgresql_where=text("alias_of IS NOT NULL")),
        gin_index("ix_tags_name_trgm", "name", "gin_trgm_ops"),
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(String(collation="C"), unique=True)
    created_at: Mapped[CreatedAt]
    # Public images, as far as counted; what `tag_count_deltas` holds comes on top.
    images: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    alias_of: Mapped[int | None] = mapped_column(ForeignKey("tags.id", ondelete="CASCADE"))
    # Created by its name, and so visible to everyone, whatever images it has.
    is_listed: Mapped[bool] = mapped_column(server_default=false(), default=False)


class TagImplication(Base):
    """An image that has `tag` has `implies` too."""

    __tablename__ = "tag_implications"
    __table_args__ = (CheckConstraint("tag <> implies", name="irreflexive"),)

    tag: Mapped[int] = mapped_column(ForeignKey("tags.id", ondelete="CASCADE"), primary_key=True)
    implies: Mapped[int] = mapped_column(ForeignKey("tags.id", ondelete="CASCADE"), primary_key=True, index=True)
    created_at: Mapped[CreatedAt]


class TagCountDelta(Base):
    """A change of a tag's count that is not in `tags.images` yet. No foreign key: writers lock no tag."""

    __tablename__ = "tag_count_deltas"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    tag: Mapped[int] = mapped_column(Integer, index=True)
    delta: Mapped[int] = mapped_column(Integer)


class PrivateTag(Base):
    """An account has, or had, a private image with a tag; `NOBODY` stands for images without an owner.

    Triggers on `images` add rows and none removes them but the end of the account: writers never wait for each other's
    counts. No foreign keys: writers lock no tag, and the tags of a deleted account stay private.
    """

    __tablename__ = "private_tags"

    tag: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    owner: Mapped[uuid.UUID] = mapped_column(primary_key=True, index=True)


class Tagged(Base):
    """An image has a tag: given by hand, or else only implied by one that was. `images.tag_ids` is the shadow of it."""

    __tablename__ = "tagged"
    # Unique over the same two columns as the key, in the other order: it is also the index from an image to its tags.
    __table_args__ = (UniqueConstraint("image", "tag"),)

    tag: Mapped[int] = mapped_column(ForeignKey("tags.id", ondelete="CASCADE"), primary_key=True)
    image: Mapped[uuid.UUID] = mapped_column(ForeignKey("images.id", ondelete="CASCADE"), primary_key=True)
    created_at: Mapped[CreatedAt]
    by_hand: Mapped[bool] = mapped_column(server_default=true(), default=True)
