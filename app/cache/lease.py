"""Leases of the response cache: PostgreSQL decides in one row whether workers may read it; see docs/decisions/0008.

A worker reads the cache only while it holds a lease: less than LEASE_SECONDS ago, the row said that the cache is
usable. A worker that cannot invalidate entries in Redis disables the cache in that row, waits until every lease has
expired, and only then acknowledges its write. So no reader gets an entry that is older than an acknowledged write.
Durations are compared on monotonic clocks only.
"""

import asyncio
import contextlib
import time

from app.cache.pipelined_connection import PipelinedConnection
from app.cache.redis_client import CacheUnavailable
from app.cache.repository import CacheStateRepository, CacheStatus
from app.core.observability.logging import get_logger
from app.core.observability.outages import OutageLog
from app.db.database import Database

logger = get_logger(__name__)

LEASE_SECONDS = 1.5
POLL_SECONDS = 0.4
# How long the cache stays disabled unless it is disabled again. Longer than a lease, so that no lease spans it.
DISABLED_SECONDS = 5.0
MAX_BACKOFF = 5.0


class Lease:
    """This worker's lease: time-limited permission to read the cache."""

    def __init__(self, database: Database, connection: PipelinedConnection) -> None:
        self._database = database
        self._connection = connection
        self._expires_at = 0.0
        self._prefix = ""
        self._run_id: str | None = None
        self._disabled_until = 0.0
        # When no worker holds a lease any more, if the cache stays disabled.
        self._leases_expire_at = 0.0
        # The cache is disabled for longer than any worker disables it: the clock of PostgreSQL was set back.
        self._clock_skewed = False
        self._reconnect_at = 0.0
        self._backoff = POLL_SECONDS
        self._reconnecting = asyncio.Lock()
        self._first_attempt = asyncio.Event()
        self._disabled_log = OutageLog(logger, "cache invalidation")

    @property
    def key_prefix(self) -> str | None:
        """The prefix of all keys; None while this worker must not use the cache."""
        if time.monotonic() < self._expires_at and self._connection.run_id == self._run_id:
            return self._prefix
        return None

    async def run_forever(self) -> None:
        """Renew the lease, and keep the cache disabled while this worker cannot reach Redis."""
        outage = OutageLog(logger, "cache lease")
        while True:
            try:
                await self.renew()
                outage.recover()
            # No error stops the service: without a lease, the cache is not used.
            except Exception as error:  # noqa: BLE001
                outage.fail(error)
            self._first_attempt.set()
            await asyncio.sleep(POLL_SECONDS)

    async def wait_for_first_attempt(self) -> None:
        """Wait for the first attempt, at most LEASE_SECONDS, so that a new worker starts with a cache."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._first_attempt.wait(), LEASE_SECONDS)

    async def renew(self) -> None:
        """Reconnect if necessary, then renew the lease. Raises DatabaseUnavailable."""
        await self.reconnect()
        if not self._connection.is_down:
            await self.refresh()
            if self._run_id != self._connection.run_id:
                # The old server process may have ended unnoticed on an idle connection. Verify it before this worker
                # names that process to the others.
                self._connection.mark_down()
                await self.reconnect()
        if self._connection.is_down:
            await self._keep_disabled()
        elif self._clock_skewed or self._run_id != self._connection.run_id:
            await self._disable()

    async def reconnect(self) -> None:
        """Reconnect to Redis with a backoff, if the connection is down."""
        if not self._connection.is_down:
            self._backoff = max(POLL_SECONDS, self._backoff / 2)
            return
        # Callers that waited for a failed attempt do not start another one.
        async with self._reconnecting:
            if time.monotonic() < self._reconnect_at:
                return
            try:
                await self._connection.reconnect()
            except CacheUnavailable:
                self._backoff = min(MAX_BACKOFF, self._backoff * 2)
                self._reconnect_at = time.monotonic() + self._backoff

    async def refresh(self) -> None:
        """Read the row, and take a lease if the cache is usable. Raises DatabaseUnavailable."""
        asked_at = time.monotonic()
        async with self._database.health_session() as session:
            status = await CacheStateRepository(session).get()
        self._apply_status(status, asked_at)

    async def wait_for_leases_to_expire(self) -> None:
        """Return once no worker can read an entry that was stored before now. Raises DatabaseUnavailable.

        This disables the cache, unless another worker has: then it becomes usable again without this one.
        """
        if not self._is_disabled or self._connection.is_down:
            await self._keep_disabled()
        await asyncio.sleep(max(0.0, self._leases_expire_at - time.monotonic()))

    @property
    def all_leases_expired(self) -> bool:
        """Whether no worker can use the cache now. Later entries belong to another epoch."""
        return self._is_disabled and time.monotonic() >= self._leases_expire_at

    @property
    def _is_disabled(self) -> bool:
        return time.monotonic() < self._disabled_until

    async def _keep_disabled(self) -> None:
        if self._disabled_until - time.monotonic() < DISABLED_SECONDS / 2:
            await self._disable()

    async def _disable(self) -> None:
        if self._connection.is_down:
            self._disabled_log.fail(CacheUnavailable())
        elif not self._is_disabled:
            # Redis is new or was restarted. That is normal at the first start.
            logger.info("cache invalidated after a restart of Redis")
        asked_at = time.monotonic()
        async with self._database.unit_of_work() as session:
            status = await CacheStateRepository(session).disable(self._connection.run_id, DISABLED_SECONDS)
        self._apply_status(status, asked_at)

    def _apply_status(self, status: CacheStatus, asked_at: float) -> None:
        """Apply the status, which was read after `asked_at`."""
        now = time.monotonic()
        self._run_id = status.redis_run_id
        if status.disabled_seconds <= 0:
            self._clock_skewed = False
            self._disabled_log.recover()
            self._prefix, self._expires_at = f"cache:{status.namespace.hex}:{status.epoch}:", asked_at + LEASE_SECONDS
            return
        self._expires_at = 0.0
        if not self._is_disabled:
            self._leases_expire_at = now + LEASE_SECONDS
        self._clock_skewed = status.disabled_seconds > DISABLED_SECONDS
        self._disabled_until = max(self._disabled_until, asked_at + min(status.disabled_seconds, DISABLED_SECONDS))
