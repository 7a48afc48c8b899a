"""Password hashes: bcrypt over SHA-256, which has no cut at 72 bytes, in a bounded number of threads."""

import secrets
import unicodedata

from anyio import CapacityLimiter, to_thread
from passlib.hash import bcrypt_sha256

BCRYPT_COST = 12
# One hash takes some 0.25 s of a core: more at once would only take the processor from everybody else.
HASHES_AT_ONCE = 2


class PasswordHasher:
    """Makes and checks hashes without holding up the event loop."""

    def __init__(self) -> None:
        self._limiter = CapacityLimiter(HASHES_AT_ONCE)
        self._hasher = bcrypt_sha256.using(rounds=BCRYPT_COST)  # type: ignore[no-untyped-call]
        self._nobody = self._hasher.hash(secrets.token_urlsafe())

    async def hash(self, password: str) -> str:
        """Return the salted hash of `password` (after NFC), some 75 characters."""
        return str(await to_thread.run_sync(self._hasher.hash, nfc(password), limiter=self._limiter))

    async def verify(self, password: str, stored: str | None) -> bool:
        """Tell whether `password` is the one of `stored`; without a stored hash it is false after the same time."""
        args = (nfc(password), stored or self._nobody)
        matches = await to_thread.run_sync(self._hasher.verify, *args, limiter=self._limiter)
        return bool(matches) and stored is not None

    def is_outdated(self, stored: str) -> bool:
        """Tell whether the hash was made with other parameters than today's."""
        return bool(self._hasher.needs_update(stored))


def nfc(password: str) -> str:
    """Return the one spelling of a password that keyboards compose differently."""
    return unicodedata.normalize("NFC", password)
