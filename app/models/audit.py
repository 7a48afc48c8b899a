"""The audit trail: administrative actions."""

import uuid
from enum import StrEnum
from typing import Any

from sqlalchemy import Index, String, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, Timestamp


class AuditAction(StrEnum):
    """The actions that the audit trail records. `images.*` are bulk changes."""

    ACCOUNT_CREATE = "account.create"
    ACCOUNT_DELETE = "account.delete"
    ACCOUNT_DISABLE = "account.disable"
    ACCOUNT_ENABLE = "account.enable"
    ACCOUNT_PROMOTE = "account.promote"
    ACCOUNT_DEMOTE = "account.demote"
    ACCOUNT_SET_QUOTA = "account.set_quota"
    ACCOUNT_SET_PASSWORD = "account.set_password"  # noqa: S105 - the name of an action
    INVITATION_CREATE = "invitation.create"
    INVITATION_USE = "invitation.use"
    INVITATION_REVOKE = "invitation.revoke"
    SIGN_UP_SET_MODE = "sign_up.set_mode"
    TAG_RENAME = "tag.rename"
    TAG_MERGE = "tag.merge"
    TAG_DELETE = "tag.delete"
    TAG_RESTORE = "tag.restore"
    TAG_SET_ALIASES = "tag.set_aliases"
    TAG_SET_IMPLICATIONS = "tag.set_implications"
    IMAGE_UPDATE = "image.update"
    IMAGE_SET_TAGS = "image.set_tags"
    IMAGE_TRASH = "image.trash"
    IMAGE_RESTORE = "image.restore"
    IMAGE_DELETE = "image.delete"
    IMAGES_SET_TAGS = "images.set_tags"
    IMAGES_SET_VISIBILITY = "images.set_visibility"
    IMAGES_TRASH = "images.trash"
    IMAGES_RESTORE = "images.restore"
    IMAGES_DELETE = "images.delete"
    IMAGES_REVERT = "images.revert"
    IMAGES_PURGE = "images.purge"


class AuditEvent(Base):
    """An administrative action. Rows are only inserted: a trigger refuses other changes.

    It has no foreign keys, since it outlives the accounts and objects that it names.
    """

    __tablename__ = "audit_events"
    __table_args__ = (
        Index("ix_audit_events_at_id", "at", "id"),
        Index("ix_audit_events_actor_at_id", "actor", "at", "id"),
        Index("ix_audit_events_action_at_id", "action", "at", "id"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    # Not the start of the transaction: the events of one transaction are in their order.
    at: Mapped[Timestamp] = mapped_column(server_default=func.clock_timestamp())
    # None: a command, or the service itself.
    actor: Mapped[uuid.UUID | None]
    # The id of the session or of the API key, or one of the words of `AuditAuthor`.
    credential: Mapped[str | None] = mapped_column(String)
    action: Mapped[str] = mapped_column(String)
    # The path of the resource in the API, or the name of a setting.
    object: Mapped[str] = mapped_column(String)
    # The changed members only. None: the object did not exist.
    before: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    after: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    request_id: Mapped[str | None] = mapped_column(String)
