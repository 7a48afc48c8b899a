import uuid

from sqlalchemy import BigInteger, Identity
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base


class StorageUsage(Base):
    """What an account has stored, as of the deltas that were added to it."""

    __tablename__ = "storage_usage"

    user_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    images: Mapped[int] = mapped_column(BigInteger)
    bytes: Mapped[int] = mapped_column(BigInteger)


class StorageUsageDelta(Base):
    """A change of what an account has stored. Triggers on `images` insert it, so that no upload waits for another."""

    __tablename__ = "storage_usage_deltas"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    user_id: Mapped[uuid.UUID] = mapped_column(index=True)
    images: Mapped[int] = mapped_column(BigInteger)
    bytes: Mapped[int] = mapped_column(BigInteger)
