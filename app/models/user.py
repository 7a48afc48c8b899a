"""Accounts and their credentials."""

import uuid
from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, String, false, func
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column, validates

from app.core.text.email_addresses import email_key
from app.db.base import Base, CreatedAt, Timestamp


class Scope(StrEnum):
    """A scope of an API key: GET requests, other methods, or the operations of admins."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


class User(Base):
    """An account. With social login only, `password` is null, and `token` and `expire_at` are the provider's."""

    __tablename__ = "users"
    __table_args__ = (
        Index("ix_users_created_at_id", "created_at", "id"),
        Index("ix_users_email_key", "email_key", unique=True),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    # As the owner wrote it, normalised; mail is sent to it.
    email: Mapped[str] = mapped_column(String, unique=True)
    # The address without letter case and width: the unique key of look-ups. A trigger fills in a missing one.
    email_key: Mapped[str] = mapped_column(String, nullable=True)
    password: Mapped[str | None] = mapped_column(String)
    token: Mapped[str | None] = mapped_column(String, unique=True)
    expire_at: Mapped[Timestamp | None]
    created_at: Mapped[CreatedAt]
    is_admin: Mapped[bool] = mapped_column(server_default=false(), default=False)
    # A disabled account has no credentials and cannot sign in.
    disabled: Mapped[bool] = mapped_column(server_default=false(), default=False)
    # The account's own quota; null: MAX_BYTES_PER_USER applies.
    quota_bytes: Mapped[int | None] = mapped_column(BigInteger)
    # Proved by an identity provider or a mailed link; otherwise anyone may have signed up with the address.
    email_verified: Mapped[bool] = mapped_column(server_default=false(), default=False)

    @validates("email")
    def _set_email_key(self, _name: str, email: str) -> str:
        self.email_key = email_key(email)
        return email


class UserSession(Base):
    """A session, from a sign-in to its end. Its access tokens are valid only while this row exists."""

    __tablename__ = "user_sessions"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    refresh_digest: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    # The digest before the last refresh: distinguishes two concurrent refreshes from a stolen token.
    previous_refresh_digest: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[CreatedAt]
    rotated_at: Mapped[CreatedAt] = mapped_column(server_default=func.now())
    expires_at: Mapped[Timestamp] = mapped_column(index=True)
    address: Mapped[str | None] = mapped_column(String)
    # The network that rate limits count as one client; null in rows older than the column.
    network: Mapped[str | None] = mapped_column(String)
    user_agent: Mapped[str | None] = mapped_column(String)


class ApiKey(Base):
    """A credential for scripts, stored as a digest only."""

    __tablename__ = "api_keys"
    __table_args__ = (
        CheckConstraint("cardinality(scopes) > 0 AND scopes <@ '{read,write,admin}'::varchar[]", name="scopes"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String)
    key_digest: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(String))
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[Timestamp | None]
    last_used_at: Mapped[Timestamp | None]


class SocialIdentity(Base):
    """An account's identity at an identity provider. It has no e-mail address: addresses change owners."""

    __tablename__ = "social_identities"

    issuer: Mapped[str] = mapped_column(String, primary_key=True)
    subject: Mapped[str] = mapped_column(String, primary_key=True)
    provider: Mapped[str] = mapped_column(String)
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[CreatedAt]


class OAuthFlow(Base):
    """A social login in progress: consumed once, by the browser that started it."""

    __tablename__ = "oauth_flows"

    state_digest: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    browser_digest: Mapped[bytes] = mapped_column(LargeBinary)
    provider: Mapped[str] = mapped_column(String)
    nonce: Mapped[str] = mapped_column(String)
    code_verifier: Mapped[str] = mapped_column(String)
    # Set when a signed-in user links another identity; deleted with that session.
    session_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("user_sessions.id", ondelete="CASCADE"), index=True)
    expires_at: Mapped[Timestamp] = mapped_column(index=True)
