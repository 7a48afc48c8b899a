"""SQL of the storage that each account uses."""

import uuid
from typing import NamedTuple

from sqlalchemy import Uuid, bindparam, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import InvalidToken
from app.db.asyncpg_queries import Statement, StatementRunner
from app.models import User

# One statement, hence one moment: a delta that is compacted meanwhile is counted once.
_USAGE = text("""
    WITH parts AS (
        SELECT image_count, byte_count, 0 AS uploading, 0 AS trashed_count, 0 AS trashed_bytes
        FROM storage_usage WHERE user_id = :user
        UNION ALL SELECT image_count, byte_count, 0, 0, 0 FROM storage_usage_deltas WHERE user_id = :user
        UNION ALL SELECT 0, 0, reserved_bytes, 0, 0 FROM orphaned_objects WHERE uploaded_by = :user
        UNION ALL SELECT 0, 0, 0, count(*), sum(size) FROM trashed_images WHERE uploaded_by = :user
    )
    SELECT coalesce(sum(image_count), 0)::bigint, coalesce(sum(byte_count), 0)::bigint,
        coalesce(sum(uploading), 0)::bigint, coalesce(sum(trashed_count), 0)::bigint,
        coalesce(sum(trashed_bytes), 0)::bigint
    FROM parts""").bindparams(bindparam("user", type_=Uuid))
_RESERVE = Statement(
    text("""
    INSERT INTO orphaned_objects (storage_key, uploaded_by, reserved_bytes) VALUES (:key, :user, :size)
    ON CONFLICT (storage_key) DO UPDATE SET reserved_bytes = :size""").bindparams(bindparam("user", type_=Uuid))
)
_EXTEND = Statement(text("UPDATE orphaned_objects SET reserved_bytes = :size WHERE storage_key = :key"))
_COMPACT = text("""
    WITH oldest AS (SELECT id FROM storage_usage_deltas ORDER BY id LIMIT :most),
    taken AS (
        DELETE FROM storage_usage_deltas d USING oldest WHERE d.id = oldest.id
        RETURNING d.user_id, d.image_count, d.byte_count
    ), compacted AS (
        INSERT INTO storage_usage (user_id, image_count, byte_count)
        SELECT user_id, sum(image_count), sum(byte_count) FROM taken GROUP BY user_id
        ON CONFLICT (user_id) DO UPDATE
        SET image_count = storage_usage.image_count + excluded.image_count,
            byte_count = storage_usage.byte_count + excluded.byte_count
        RETURNING user_id, image_count, byte_count
    )
    SELECT (SELECT count(*) FROM taken),
        ARRAY(SELECT user_id FROM compacted WHERE image_count = 0 AND byte_count = 0)""")
_FORGET = text("DELETE FROM storage_usage WHERE user_id = ANY(:users) AND image_count = 0 AND byte_count = 0")


class Usage(NamedTuple):
    """The stored, uploading and trashed data of an account; all but the numbers of images in bytes."""

    images: int
    bytes: int
    uploading: int
    trashed_images: int
    trashed_bytes: int

    @property
    def counted(self) -> int:
        """The bytes that count against the quota."""
        return self.bytes + self.uploading + self.trashed_bytes


class ReservationRepository:
    """Changes the bytes that uploads reserve, in a session or without one."""

    def __init__(self, statements: StatementRunner) -> None:
        self._statements = statements

    async def reserve(self, key: str, user_id: uuid.UUID | None, size: int) -> None:
        """List the key of an upload with the bytes that it takes; they are free when the key is off the list."""
        values = {"key": key, "user": user_id, "size": None if user_id is None else size}
        await self._statements.run(_RESERVE, values)

    async def extend(self, key: str, size: int) -> None:
        """Change the bytes of a key that is listed."""
        await self._statements.run(_EXTEND, {"key": key, "size": size})


class UsageRepository:
    """All SQL about what accounts have stored."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, user_id: uuid.UUID) -> Usage:
        """Return what the account has stored, exactly."""
        return Usage(*(await self._session.execute(_USAGE, {"user": user_id})).one())

    async def lock_quota(self, user_id: uuid.UUID) -> int | None:
        """Return the account's own quota and keep its other reservations waiting until the commit.

        Raises InvalidToken if the account was deleted.
        """
        statement = select(User.id, User.quota_bytes).where(User.id == user_id).with_for_update(key_share=True)
        row = (await self._session.execute(statement)).one_or_none()
        if row is None:
            raise InvalidToken("The account was deleted")
        quota: int | None = row.quota_bytes
        return quota

    async def compact(self, limit: int) -> int:
        """Add up to `limit` deltas to the sums; return their number. One caller at a time."""
        compacted, empty = (await self._session.execute(_COMPACT, {"most": limit})).one()
        if empty:
            # Most of these accounts were deleted.
            await self._session.execute(_FORGET, {"users": empty})
        return int(compacted)
