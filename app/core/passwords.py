"""Password hashes: bcrypt over SHA-256, which has no limit of 72 bytes, in a bounded number of threads."""

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
# One hash takes about 0.25 s of a core. More threads would only take the processor from other requests.
HASHES_AT_ONCE = 2
# An address waits for its own hashes: 16 of them take 2 s on two free cores. Others wait for one of them at most.
QUEUE = QueueLimits(
    slots=HASHES_AT_ONCE,
    account=HASHES_AT_ONCE,
    address=HASHES_AT_ONCE,
    waiting=200,
    waiting_each=16,
    seconds=10,
)
# A hash takes long anyway: the thread of the event loop, which serves all requests, gets the processor first.
NICENESS = 5


class PasswordHasher:
    """Computes and verifies hashes without blocking the event loop.

    Raises SignInBusy or TooManyRequests when the queue is full, ClientDisconnected when the client has disconnected.
    """

    def __init__(self) -> None:
        self.queue = FairQueue("a password", QUEUE, SignInBusy)
        self._threads = ThreadPoolExecutor(HASHES_AT_ONCE, "password", initializer=_lower_priority)
        self._hasher = bcrypt_sha256.using(rounds=BCRYPT_COST)  # type: ignore[no-untyped-call]
        # A hash of the same cost that was not computed: computing it would make each start 0.25 s longer.
        cheap = bcrypt_sha256.using(rounds=4).hash(secrets.token_urlsafe())  # type: ignore[no-untyped-call]
        self._dummy_hash = cheap.replace(",r=4$", f",r={BCRYPT_COST}$")

    async def hash(self, password: str) -> str:
        """Return the salted hash of `password` (after NFC), some 75 characters."""
        return str(await self._run(self._hasher.hash, normalize(password)))

    async def verify(self, password: str, stored: str | None) -> bool:
        """Return whether the password matches the hash; without a hash, False after the same time."""
        matches = await self._run(self._hasher.verify, normalize(password), stored or self._dummy_hash)
        return bool(matches) and stored is not None

    def is_outdated(self, stored: str) -> bool:
        """Return whether the hash has outdated parameters."""
        return bool(self._hasher.needs_update(stored))

    async def close(self) -> None:
        """Stop the threads. Hashes that have not begun are cancelled."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, function: Callable[..., object], *args: str) -> object:
        async with self.queue.enter(current_caller.get()):
            # Shielded: a hash in progress cannot be cancelled, and its slot is in use until it ends.
            hashing = asyncio.get_running_loop().run_in_executor(self._threads, function, *args)
            try:
                return await asyncio.shield(hashing)
            except asyncio.CancelledError:
                await asyncio.wait({hashing})
                raise


def normalize(password: str) -> str:
    """Return the password in NFC: keyboards compose characters differently."""
    return unicodedata.normalize("NFC", password)


def _lower_priority() -> None:
    # On Linux a thread has a priority of its own.
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), os.nice(0) + NICENESS)
