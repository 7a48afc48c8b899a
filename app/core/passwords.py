"""Password hashes: bcrypt over SHA-256, which has no cut at 72 bytes, in a bounded number of threads."""

import asyncio
import contextlib
import os
import secrets
import sys
import threading
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from passlib.hash import bcrypt_sha256

from app.core.callers import current_caller
from app.core.errors import SignInBusy
from app.core.fair_queue import FairQueue, QueueLimits

BCRYPT_COST = 12
# One hash takes some 0.25 s of a core: more at once would only take the processor from everybody else.
HASHES_AT_ONCE = 2
# An address waits for its own hashes: 16 of them take 2 s on two free cores. The others wait for one of them at most.
QUEUE = QueueLimits(
    slots=HASHES_AT_ONCE,
    account=HASHES_AT_ONCE,
    address=HASHES_AT_ONCE,
    waiting=200,
    waiting_each=16,
    seconds=10,
)
# Whoever waits for a hash waits long anyway: the thread that serves all others goes first.
NICENESS = 5


class PasswordHasher:
    """Makes and checks hashes without holding up the event loop.

    Raises SignInBusy or TooManyRequests when the queue is full, ClientGone when the client did not wait.
    """

    def __init__(self) -> None:
        self.queue = FairQueue("a password", QUEUE, SignInBusy)
        self._threads = ThreadPoolExecutor(HASHES_AT_ONCE, "password", initializer=_stand_back)
        self._hasher = bcrypt_sha256.using(rounds=BCRYPT_COST)  # type: ignore[no-untyped-call]
        self._nobody = self._hasher.hash(secrets.token_urlsafe())

    async def hash(self, password: str) -> str:
        """Return the salted hash of `password` (after NFC), some 75 characters."""
        return str(await self._run(self._hasher.hash, nfc(password)))

    async def verify(self, password: str, stored: str | None) -> bool:
        """Tell whether `password` is the one of `stored`; without a stored hash it is false after the same time."""
        matches = await self._run(self._hasher.verify, nfc(password), stored or self._nobody)
        return bool(matches) and stored is not None

    def is_outdated(self, stored: str) -> bool:
        """Tell whether the hash was made with other parameters than today's."""
        return bool(self._hasher.needs_update(stored))

    async def close(self) -> None:
        """Let the threads go; hashes that nobody waits for any more are not begun."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, function: Callable[..., object], *args: str) -> object:
        async with self.queue.enter(current_caller.get()):
            # Shielded: a hash that has begun ends, and its slot is in use until then.
            hashing = asyncio.get_running_loop().run_in_executor(self._threads, function, *args)
            try:
                return await asyncio.shield(hashing)
            except asyncio.CancelledError:
                await asyncio.wait({hashing})
                raise


def nfc(password: str) -> str:
    """Return the one spelling of a password that keyboards compose differently."""
    return unicodedata.normalize("NFC", password)


def _stand_back() -> None:
    # On Linux a thread has a priority of its own.
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), os.nice(0) + NICENESS)
