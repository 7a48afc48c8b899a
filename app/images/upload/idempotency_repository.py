"""The idempotency keys of uploads, and the responses that are stored with them."""

import uuid
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Update, delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.base import utc_now
from app.models import IdempotencyKey

LEASE = timedelta(seconds=60)
RETENTION = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """The fingerprint of a key's upload, and its response in JSON."""

    fingerprint: bytes
    response: str


class IdempotencyRepository:
    """The SQL of idempotency keys."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def acquire_lease(self, key: bytes) -> bool:
        """Claim a key for LEASE. Returns False if an upload with it is running or has completed."""
        values = {"id": key, "expires_at": utc_now() + LEASE}
        free = {**values, "response": None, "fingerprint": None, "image_id": None}
        statement = insert(IdempotencyKey).values(**values)
        statement = statement.on_conflict_do_update(
            index_elements=["id"], set_=free, where=IdempotencyKey.expires_at < utc_now()
        )
        return await self._session.scalar(statement.returning(IdempotencyKey.id)) is not None

    async def renew_lease(self, key: bytes) -> None:
        """Extend the lease of a running upload by LEASE."""
        await self._session.execute(_running(key).values(expires_at=utc_now() + LEASE))

    async def release_lease(self, key: bytes) -> None:
        """Delete the key of an upload that failed."""
        unanswered = IdempotencyKey.response.is_(None)
        await self._session.execute(delete(IdempotencyKey).where(IdempotencyKey.id == key, unanswered))

    async def find_response(self, key: bytes) -> StoredResponse | None:
        """Return the response of a completed upload."""
        row = await self._session.get(IdempotencyKey, key)
        if row is None or row.response is None or row.fingerprint is None:
            return None
        return StoredResponse(row.fingerprint, row.response)

    async def add_response(self, key: bytes, image_id: uuid.UUID, stored: StoredResponse) -> None:
        """Store the response for RETENTION, in the transaction that writes the image."""
        values = {"image_id": image_id, "fingerprint": stored.fingerprint, "response": stored.response}
        await self._session.execute(_running(key).values(**values, expires_at=utc_now() + RETENTION))

    async def replace_response(self, key: bytes, stored: StoredResponse) -> None:
        """Replace the response of a completed upload."""
        completed = update(IdempotencyKey).where(
            IdempotencyKey.id == key, IdempotencyKey.fingerprint == stored.fingerprint
        )
        await self._session.execute(completed.values(response=stored.response))

    async def remove_expired(self) -> None:
        """Delete the expired keys, except those that another transaction has locked."""
        expired = (
            select(IdempotencyKey.id).where(IdempotencyKey.expires_at < utc_now()).with_for_update(skip_locked=True)
        )
        await self._session.execute(delete(IdempotencyKey).where(IdempotencyKey.id.in_(expired)))


def _running(key: bytes) -> Update:
    return update(IdempotencyKey).where(IdempotencyKey.id == key, IdempotencyKey.response.is_(None))
