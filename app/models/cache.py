"""The state of the response cache that all workers share."""

import uuid

from sqlalchemy import BigInteger, Boolean, CheckConstraint, String, func, text, true
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, Timestamp


class CacheState(Base):
    """The only row decides for all workers whether they may read the cache in Redis, and which keys they read."""

    __tablename__ = "cache_state"
    __table_args__ = (CheckConstraint("singleton", name="singleton"),)

    singleton: Mapped[bool] = mapped_column(Boolean, primary_key=True, server_default=true())
    # Part of every key: keeps databases apart that share a Redis.
    namespace: Mapped[uuid.UUID] = mapped_column(server_default=func.gen_random_uuid())
    # Part of every key: no worker reads entries of an earlier epoch.
    epoch: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    # `run_id` of the Redis process that holds the entries; a restarted Redis has another one.
    redis_run_id: Mapped[str | None] = mapped_column(String)
    # No worker reads the cache before this time.
    usable_from: Mapped[Timestamp] = mapped_column(server_default=func.now())
