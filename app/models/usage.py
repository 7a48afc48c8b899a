"""The storage usage of accounts."""

import uuid

from sqlalchemy import BigInteger, Identity
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base


class StorageUsage(Base):
    """The storage usage of an account, without the changes still in `storage_usage_deltas`."""

    __tablename__ = "storage_usage"

    user_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    image_count: Mapped[int] = mapped_column(BigInteger)
    byte_count: Mapped[int] = mapped_column(BigInteger)


class StorageUsageDelta(Base):
    """A change of an account's storage usage. Triggers on `images` append it, so that uploads never share a row."""

    __tablename__ = "storage_usage_deltas"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    user_id: Mapped[uuid.UUID] = mapped_column(index=True)
    image_count: Mapped[int] = mapped_column(BigInteger)
    byte_count: Mapped[int] = mapped_column(BigInteger)
