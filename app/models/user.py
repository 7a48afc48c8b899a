import uuid

from sqlalchemy import ForeignKey, LargeBinary, String, false
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, CreatedAt, Timestamp


class User(Base):
    """An account. `password` is null where only social login is used; `token` and `expire_at` are its."""

    __tablename__ = "users"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    email: Mapped[str] = mapped_column(String, unique=True)
    password: Mapped[str | None] = mapped_column(String)
    token: Mapped[str | None] = mapped_column(String, unique=True)
    expire_at: Mapped[Timestamp | None]
    created_at: Mapped[CreatedAt]
    is_admin: Mapped[bool] = mapped_column(server_default=false(), default=False)


class Session(Base):
    """A login. Its row is what makes access tokens good: with it gone they are refused."""

    __tablename__ = "sessions"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    refresh_digest: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[Timestamp]
