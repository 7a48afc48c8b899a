"""`Idempotency-Key`: an upload that a client sends again, because it never saw the answer, happens once.

After the IETF draft "The Idempotency-Key HTTP Header Field". The key is claimed before the body is read, in a unit of
work of its own. The claim is a lease that the upload renews while it runs, so that a killed service blocks a client's
key for LEASE at most. The answer is kept in the transaction that makes the image; it goes when the image does.
"""

import asyncio
import contextlib
import hashlib
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Update, delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import AppError, Conflict, Unprocessable, ValidationFailed
from app.db.base import utc_now
from app.db.database import Database
from app.models import IdempotencyKey

LEASE = timedelta(seconds=60)
RENEW_SECONDS = 20
KEPT = timedelta(hours=24)
MAX_LENGTH = 255


class IdempotencyMismatch(Unprocessable):
    slug, title = "idempotency-mismatch", "Idempotency key reused"
    description = "The Idempotency-Key was used with another upload."


class IdempotencyInProgress(Conflict):
    slug, title = "idempotency-in-progress", "Upload in progress"
    description = "An upload with this Idempotency-Key is in progress."


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """What the key's upload was, and its answer in JSON."""

    fingerprint: bytes
    response: str


def key_id(owner: uuid.UUID | None, client: str, key: str) -> bytes:
    """Return the id of a key: each account has keys of its own, and each `client` without an account.

    `client` is the network of the request, as `app.core.callers.network` returns it. Raises ValidationFailed.
    """
    if not 1 <= len(key) <= MAX_LENGTH or not (key.isascii() and key.isprintable()):
        raise ValidationFailed.at(
            ["header", "Idempotency-Key"], f"The key must have 1 to {MAX_LENGTH} ASCII characters."
        )
    return hashlib.sha256(f"{owner or client} {key}".encode()).digest()


class IdempotencyClaims:
    """The keys of uploads that run or have run."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, claimed: bytes) -> StoredResponse | None:
        """Claim a key, or return the answer it has already. Raises IdempotencyInProgress."""
        async with self._database.unit_of_work() as session:
            if await _claim(session, claimed):
                return None
            row = await session.get(IdempotencyKey, claimed)
        if row is None or row.response is None or row.fingerprint is None:
            raise IdempotencyInProgress
        return StoredResponse(row.fingerprint, row.response)

    @asynccontextmanager
    async def held(self, claimed: bytes) -> AsyncIterator[None]:
        """Keep a claim alive while the block runs; give it back when it raises, so that the client can try again."""
        renewing = asyncio.create_task(self._renew(claimed))
        try:
            yield
        except BaseException:
            await asyncio.shield(self._release(claimed))
            raise
        finally:
            renewing.cancel()

    async def _renew(self, claimed: bytes) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            with contextlib.suppress(AppError):
                async with self._database.unit_of_work() as session:
                    await session.execute(_running(claimed).values(expires_at=utc_now() + LEASE))

    async def _release(self, claimed: bytes) -> None:
        # With the database down the lease ends by itself.
        with contextlib.suppress(AppError):
            async with self._database.unit_of_work() as session:
                unanswered = IdempotencyKey.response.is_(None)
                await session.execute(delete(IdempotencyKey).where(IdempotencyKey.id == claimed, unanswered))


async def save_response(session: AsyncSession, claimed: bytes, image: uuid.UUID, earlier: StoredResponse) -> None:
    """Keep the answer, in the transaction that makes the image."""
    values = {"image_id": image, "fingerprint": earlier.fingerprint, "response": earlier.response}
    await session.execute(_running(claimed).values(**values, expires_at=utc_now() + KEPT))


async def remove_expired_keys(session: AsyncSession) -> None:
    """Forget the keys whose time is over."""
    expired = select(IdempotencyKey.id).where(IdempotencyKey.expires_at < utc_now()).with_for_update(skip_locked=True)
    await session.execute(delete(IdempotencyKey).where(IdempotencyKey.id.in_(expired)))


async def _claim(session: AsyncSession, claimed: bytes) -> bool:
    values = {"id": claimed, "expires_at": utc_now() + LEASE}
    free = {**values, "response": None, "fingerprint": None, "image_id": None}
    statement = insert(IdempotencyKey).values(**values)
    statement = statement.on_conflict_do_update(
        index_elements=["id"], set_=free, where=IdempotencyKey.expires_at < utc_now()
    )
    return await session.scalar(statement.returning(IdempotencyKey.id)) is not None


def _running(claimed: bytes) -> Update:
    return update(IdempotencyKey).where(IdempotencyKey.id == claimed, IdempotencyKey.response.is_(None))
