import uuid
from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, String, false, func
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column, validates

from app.core.text.email_addresses import email_key
from app.db.base import Base, CreatedAt, Timestamp


class Scope(StrEnum):
    """The scope of an API key: GET requests, other methods, or the operations of admins."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


class User(Base):
    """An account. `password` is null where only social login is used; `token` and `expire_at` are its."""

    __tablename__ = "users"
    __table_args__ = (
        Index("ix_users_created_at_id", "created_at", "id"),
        Index("ix_users_email_key", "email_key", unique=True),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    # As its owner wrote it, normalised: mail goes there.
    email: Mapped[str] = mapped_column(String, unique=True)
    # By which it is found and unique. Null is allowed for the previous release only; a trigger fills it in then.
    email_key: Mapped[str] = mapped_column(String, nullable=True)
    password: Mapped[str | None] = mapped_column(String)
    token: Mapped[str | None] = mapped_column(String, unique=True)
    expire_at: Mapped[Timestamp | None]
    created_at: Mapped[CreatedAt]
    is_admin: Mapped[bool] = mapped_column(server_default=false(), default=False)
    # A disabled account has no credentials and cannot sign in.
    disabled: Mapped[bool] = mapped_column(server_default=false(), default=False)
    # Of its own, in bytes; null: MAX_BYTES_PER_USER applies.
    quota_bytes: Mapped[int | None] = mapped_column(BigInteger)
    # An identity provider or a mailed link proved the address. Without it, a stranger may have signed up with it.
    email_verified: Mapped[bool] = mapped_column(server_default=false(), default=False)

    @validates("email")
    def _set_email_key(self, _name: str, email: str) -> str:
        self.email_key = email_key(email)
        return email


class Session(Base):
    """A login. Its row is what makes access tokens good: with it gone they are refused."""

    __tablename__ = "sessions"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    refresh_digest: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    # The one before, so that two refreshes at the same instant are told from a stolen token.
    previous_digest: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[CreatedAt]
    rotated_at: Mapped[CreatedAt] = mapped_column(server_default=func.now())
    expires_at: Mapped[Timestamp] = mapped_column(index=True)
    address: Mapped[str | None] = mapped_column(String)
    # What the limits count as one address; null in rows from before there was the column.
    network: Mapped[str | None] = mapped_column(String)
    user_agent: Mapped[str | None] = mapped_column(String)


class ApiKey(Base):
    """A credential for scripts; the key itself is stored nowhere."""

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
    """Who an account is at an identity provider. The e-mail is no part of it: addresses change hands."""

    __tablename__ = "social_identities"

    issuer: Mapped[str] = mapped_column(String, primary_key=True)
    subject: Mapped[str] = mapped_column(String, primary_key=True)
    provider: Mapped[str] = mapped_column(String)
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[CreatedAt]


class SocialSignIn(Base):
    """A social login under way: taken out, once, by the browser that started it."""

    __tablename__ = "social_sign_ins"

    state_digest: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    browser_digest: Mapped[bytes] = mapped_column(LargeBinary)
    provider: Mapped[str] = mapped_column(String)
    nonce: Mapped[str] = mapped_column(String)
    code_verifier: Mapped[str] = mapped_column(String)
    # Set when a signed-in user links a further identity; gone with that session.
    session_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"), index=True)
    expires_at: Mapped[Timestamp] = mapped_column(index=True)
