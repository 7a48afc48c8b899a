"""`Idempotency-Key`: an upload that a client repeats, because it did not receive the response, happens once.

After the IETF draft "The Idempotency-Key HTTP Header Field". The key is claimed before the body is read, in a
transaction of its own. The claim is a lease that the upload renews while it runs, so a killed service blocks a key for
LEASE at most. The response is stored in the transaction that writes the image, and is deleted with the image.
"""

import asyncio
import contextlib
import hashlib
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.core.errors import AppError, Conflict, Unprocessable, ValidationFailed
from app.db.database import Database
from app.images.upload.idempotency_repository import IdempotencyRepository, StoredResponse

RENEW_SECONDS = 20
MAX_LENGTH = 255


class IdempotencyMismatch(Unprocessable):
    slug, title = "idempotency-mismatch", "Idempotency key reused"
    description = "The Idempotency-Key was used with another upload."


class IdempotencyInProgress(Conflict):
    slug, title = "idempotency-in-progress", "Upload in progress"
    description = "An upload with this Idempotency-Key is in progress."


def key_id(owner: uuid.UUID | None, client: str, key: str) -> bytes:
    """Return the id of a key: each account has keys of its own, and each `client` without an account.

    `client` is the network of the request, as `rate_limit_network` returns it. Raises ValidationFailed.
    """
    if not 1 <= len(key) <= MAX_LENGTH or not (key.isascii() and key.isprintable()):
        raise ValidationFailed.at(
            ["header", "Idempotency-Key"], f"The key must have 1 to {MAX_LENGTH} ASCII characters."
        )
    return hashlib.sha256(f"{owner or client} {key}".encode()).digest()


class IdempotencyClaims:
    """The keys of uploads that are running or have completed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, claimed: bytes) -> StoredResponse | None:
        """Claim a key, or return its stored response. Raises IdempotencyInProgress."""
        async with self._database.unit_of_work() as session:
            repository = IdempotencyRepository(session)
            if await repository.acquire_lease(claimed):
                return None
            stored = await repository.find_response(claimed)
        if stored is None:
            raise IdempotencyInProgress
        return stored

    @asynccontextmanager
    async def held(self, claimed: bytes) -> AsyncIterator[None]:
        """Renew a claim while the block runs; release it if the block raises, so that the client can try again."""
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
                    await IdempotencyRepository(session).renew_lease(claimed)

    async def _release(self, claimed: bytes) -> None:
        # While the database is down, the lease expires by itself.
        with contextlib.suppress(AppError):
            async with self._database.unit_of_work() as session:
                await IdempotencyRepository(session).release_lease(claimed)
