import uuid

from sqlalchemy import BigInteger, Boolean, CheckConstraint, String, func, text, true
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, Timestamp


class CacheState(Base):
    """Whether what Redis holds may be used, and under which names: the one row by which all workers agree."""

    __tablename__ = "cache_state"
    __table_args__ = (CheckConstraint("sole", name="sole"),)

    sole: Mapped[bool] = mapped_column(Boolean, primary_key=True, server_default=true())
    # Keeps two databases that share a Redis apart.
    name: Mapped[uuid.UUID] = mapped_column(server_default=func.gen_random_uuid())
    # What was stored in an earlier epoch is never looked at again.
    epoch: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    # The Redis process that holds it, by its `run_id`.
    server: Mapped[str | None] = mapped_column(String)
    # Until then nobody uses it.
    open_at: Mapped[Timestamp] = mapped_column(server_default=func.now())
