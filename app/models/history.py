"""The history of the tags of images."""

import uuid
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    String,
    false,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, CreatedAt


class TagEventSource(StrEnum):
    """The kind of operation that changed a tag of an image."""

    HAND = "hand"
    SUGGESTION = "suggestion"
    IMPLIED = "implied"
    MERGE = "merge"
    RENAME = "rename"
    BULK = "bulk"
    REVERT = "revert"


class TagOperationKind(StrEnum):
    """A change of one tag by an admin that changes the tags of images."""

    MERGE = "merge"
    RENAME = "rename"
    DELETE = "delete"


class TagEvent(Base):
    """A change of one tag of one image, written by the triggers on `tagged`. Rows are never updated.

    `was_explicit` and `is_explicit` are the row of `tagged` before and after the change; null means no row. No foreign
    keys: the events outlive tags and accounts.
    """

    __tablename__ = "tag_events"
    __table_args__ = (
        CheckConstraint("was_explicit IS DISTINCT FROM is_explicit", name="transition"),
        Index("ix_tag_events_image_id", "image", "id"),
        Index("ix_tag_events_tag_id_id", "tag_id", "id"),
        Index("ix_tag_events_actor_id", "actor", "id", postgresql_where=text("actor IS NOT NULL")),
        Index("ix_tag_events_batch_id", "batch", "id", postgresql_where=text("batch IS NOT NULL")),
        {"postgresql_partition_by": "RANGE (at)"},
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=True)
    at: Mapped[CreatedAt] = mapped_column(primary_key=True, server_default=func.clock_timestamp())
    actor: Mapped[uuid.UUID | None]
    credential: Mapped[uuid.UUID | None]
    request_id: Mapped[str | None] = mapped_column(String)
    image: Mapped[uuid.UUID]
    tag_id: Mapped[int] = mapped_column(Integer)
    # The name at the time of the change.
    tag: Mapped[str] = mapped_column(String)
    change: Mapped[int] = mapped_column(SmallInteger)
    was_explicit: Mapped[bool | None] = mapped_column(Boolean)
    is_explicit: Mapped[bool | None] = mapped_column(Boolean)
    source: Mapped[TagEventSource] = mapped_column(String)
    batch: Mapped[uuid.UUID | None]


class TagOperation(Base):
    """A merge, rename or deletion of a tag. Its id is the `batch` of its events."""

    __tablename__ = "tag_operations"
    __table_args__ = (
        Index("ix_tag_operations_actor_created_at", "actor", "created_at", postgresql_where=text("actor IS NOT NULL")),
        # An interrupted operation that is repeated continues under its id.
        Index("ix_tag_operations_incomplete", "tag_id", postgresql_where=text("NOT is_complete")),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    created_at: Mapped[CreatedAt]
    actor: Mapped[uuid.UUID | None]
    kind: Mapped[TagOperationKind] = mapped_column(String)
    tag_id: Mapped[int] = mapped_column(Integer)
    # The name before the operation.
    tag: Mapped[str] = mapped_column(String)
    # Of a merge: the other tag.
    target_id: Mapped[int | None] = mapped_column(Integer)
    # Of a rename: the new name.
    new_name: Mapped[str | None] = mapped_column(String)
    is_complete: Mapped[bool] = mapped_column(server_default=false(), default=False)


class TagLinkKind(StrEnum):
    """The relation of a tag to another one."""

    ALIAS = "alias"
    IMPLICATION = "implication"


class TagOperationLink(Base):
    """An alias or an implication that an operation on a tag added or removed. A revert of the operation inverts it.

    The tag is an alias of the other tag, or implies it. No foreign keys to tags: both may be deleted.
    """

    __tablename__ = "tag_operation_links"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    operation: Mapped[uuid.UUID] = mapped_column(ForeignKey("tag_operations.id", ondelete="CASCADE"), index=True)
    kind: Mapped[TagLinkKind] = mapped_column(String)
    is_added: Mapped[bool]
    tag_id: Mapped[int] = mapped_column(Integer)
    # The names at the time of the operation.
    tag: Mapped[str] = mapped_column(String)
    other_id: Mapped[int] = mapped_column(Integer)
    other: Mapped[str] = mapped_column(String)


class OrphanedTagHistory(Base):
    """An image whose row was deleted, and whose events are to be deleted unless the image is restored."""

    __tablename__ = "orphaned_tag_histories"

    image: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    created_at: Mapped[CreatedAt]
