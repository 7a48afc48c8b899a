"""Whether the cache may be used now. PostgreSQL decides, by one row; see docs/decisions/0008.

A worker may look into Redis while it holds a lease: it has read, less than LEASE ago, that the cache is open. Who could
not tell Redis of a write closes the cache in that row and waits until every lease has run out; only then is the write
acknowledged. So nobody is given what was stored before it. While the cache is closed, nothing waits any more. Only
durations are compared, on clocks that are never set.
"""

import asyncio
import contextlib
import time

from sqlalchemy import Row, text

from app.cache.link import RedisLink
from app.cache.redis_client import CacheUnavailable
from app.core.logging import get_logger
from app.core.outages import OutageLog
from app.db.database import Database

logger = get_logger(__name__)

LEASE = 1.5
POLL_SECONDS = 0.4
# How long the cache stays closed unless it is closed again; longer than LEASE, so that no lease spans it.
CLOSED_SECONDS = 5.0
MAX_BACKOFF = 5.0

_STATE = "namespace, epoch, redis_run_id, extract(epoch FROM usable_from - clock_timestamp())::float8 AS closed_for"
_READ = text(f"SELECT {_STATE} FROM cache_state")  # noqa: S608 - of constants only
_CLOSE = text(f"""
    UPDATE cache_state SET epoch = epoch + 1, redis_run_id = coalesce(:redis_run_id, redis_run_id),
        usable_from = clock_timestamp() + make_interval(secs => {CLOSED_SECONDS})
    RETURNING {_STATE}""")  # noqa: S608


class Lease:
    """This worker's leave to use the cache."""

    def __init__(self, database: Database, link: RedisLink) -> None:
        self._database = database
        self._link = link
        self._until = 0.0
        self._prefix = ""
        self._server: str | None = None
        self._closed_until = 0.0
        # When, if it stays closed, no worker holds a lease any more.
        self._quiet_at = 0.0
        # Longer than anybody closes it: the clock of the database was set back, and it would stay closed for as long.
        self._overlong = False
        self._mend_at = 0.0
        self._backoff = POLL_SECONDS
        self._mending = asyncio.Lock()
        self._tried = asyncio.Event()
        self._closure = OutageLog(logger, "cache invalidation")

    @property
    def prefix(self) -> str | None:
        """What the names of all keys start with; None while the cache must not be used."""
        if time.monotonic() < self._until and self._link.server == self._server:
            return self._prefix
        return None

    async def run_forever(self) -> None:
        """Keep the lease, and keep the cache closed while this worker does not reach Redis."""
        outage = OutageLog(logger, "cache lease")
        while True:
            try:
                await self.renew()
                outage.recover()
            # No error stops the service: without a lease, the cache is not used.
            except Exception as error:  # noqa: BLE001
                outage.fail(error)
            self._tried.set()
            await asyncio.sleep(POLL_SECONDS)

    async def wait_for_first(self) -> None:
        """Wait, but not for long, until the first try is over: a service that has just started is not slower."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._tried.wait(), LEASE)

    async def renew(self) -> None:
        """Mend the link, then ask for the lease. Raises DatabaseUnavailable."""
        await self.mend()
        if self._link.server is not None:
            await self.ask()
            if self._server != self._link.server:
                # Before this one names the process at its end to all: it may be gone, and a link that nobody uses
                # does not notice.
                self._link.give_up()
                await self.mend()
        if self._link.server is None:
            await self._keep_closed()
        elif self._overlong or self._server != self._link.server:
            await self._close()

    async def mend(self) -> None:
        """Mend the link, if it is down and was not found so a moment ago."""
        if self._link.server is not None:
            self._backoff = max(POLL_SECONDS, self._backoff / 2)
            return
        # Who waited for an attempt that failed does not make the next one.
        async with self._mending:
            if time.monotonic() < self._mend_at:
                return
            try:
                await self._link.mend()
            except CacheUnavailable:
                self._backoff = min(MAX_BACKOFF, self._backoff * 2)
                self._mend_at = time.monotonic() + self._backoff

    async def ask(self) -> None:
        """Read whether the cache is open, and take a lease when it is. Raises DatabaseUnavailable."""
        asked = time.monotonic()
        async with self._database.aside() as session:
            self._learn((await session.execute(_READ)).one(), asked)

    async def wait_until_quiet(self) -> None:
        """Return once nobody can be given what was stored before now. Raises DatabaseUnavailable.

        The cache is closed for it, unless others have closed it: then it opens again without us.
        """
        if not self._is_closed or self._link.server is None:
            await self._keep_closed()
        await asyncio.sleep(max(0.0, self._quiet_at - time.monotonic()))

    @property
    def is_quiet(self) -> bool:
        """Whether no worker can be using the cache now; what is stored later is of another epoch."""
        return self._is_closed and time.monotonic() >= self._quiet_at

    @property
    def _is_closed(self) -> bool:
        """Whether nobody takes a new lease."""
        return time.monotonic() < self._closed_until

    async def _keep_closed(self) -> None:
        if self._closed_until - time.monotonic() < CLOSED_SECONDS / 2:
            await self._close()

    async def _close(self) -> None:
        if self._link.server is None:
            self._closure.fail(CacheUnavailable())
        elif not self._is_closed:
            # Redis is new or was restarted: a healthy start, too.
            logger.info("cache invalidated after a restart of Redis")
        asked = time.monotonic()
        async with self._database.unit_of_work() as session:
            row = (await session.execute(_CLOSE, {"redis_run_id": self._link.server})).one()
        self._learn(row, asked)

    def _learn(self, row: "Row[tuple[object, ...]]", asked: float) -> None:
        """Take what the row said at some moment after `asked`."""
        now = time.monotonic()
        self._server = row.redis_run_id
        if row.closed_for <= 0:
            self._overlong = False
            self._closure.recover()
            self._prefix, self._until = f"cache:{row.namespace.hex}:{row.epoch}:", asked + LEASE
            return
        self._until = 0.0
        if not self._is_closed:
            self._quiet_at = now + LEASE
        self._overlong = row.closed_for > CLOSED_SECONDS
        self._closed_until = max(self._closed_until, asked + min(row.closed_for, CLOSED_SECONDS))
