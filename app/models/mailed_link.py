"""Links that are sent by e-mail."""

import uuid
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, Timestamp


class LinkPurpose(StrEnum):
    """The purpose of a mailed link."""

    PASSWORD_RESET = "password-reset"  # noqa: S105 - not a password
    EMAIL_VERIFICATION = "email-verification"


class MailedLink(Base):
    """A link that was mailed to an account and is not used yet. The token is stored as a digest only."""

    __tablename__ = "mailed_links"
    __table_args__ = (CheckConstraint("purpose IN ('password-reset', 'email-verification')", name="purpose"),)

    token_digest: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    purpose: Mapped[LinkPurpose] = mapped_column(String)
    # The recipient. A change of the account's address invalidates the link.
    email: Mapped[str] = mapped_column(String)
    # SHA-256 of the password hash at that time. A change of the password invalidates a reset.
    password_digest: Mapped[bytes] = mapped_column(LargeBinary)
    expires_at: Mapped[Timestamp] = mapped_column(index=True)
