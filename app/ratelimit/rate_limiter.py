"""Rate limits by the generic cell rate algorithm (GCRA, ITU-T I.371), shared through Redis, else per process.

Each counter has one number, its theoretical arrival time (TAT): when it will be as if no request had been made. A
charge adds one interval. It is refused if the TAT would be further ahead than the burst of the rate. Several charges
are applied together or not at all, so a refused attempt uses up no counter.
"""

import asyncio
import hashlib
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

from app.cache.redis_client import CacheUnavailable
from app.cache.script_runner import ScriptRunner
from app.core.errors import TooManyRequests
from app.core.rate_limit import Rate
from app.core.security import derive_key
from app.ratelimit.request_quota import Quota, note_quota, note_refund

# The pause after a failure of Redis. Without it, each sign-in would wait for the timeout.
RETRY_REDIS_SECONDS = 5.0
MAX_LOCAL = 20_000

# The minimum lifetime of a key. It is longer than that of any cached response, so that a full Redis with the policy
# `volatile-ttl` evicts responses and not limits.
LIFETIME_MS = 2 * 3600 * 1000

# KEYS: the counters. ARGV: for each, the seconds of the charge and of the burst; last, the minimum lifetime of the keys
# in milliseconds. Returns the seconds to wait (0 if the charge was made), then for each counter the seconds until its
# TAT.
CHARGE = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local wait, tat, ahead = 0, {}, {}
for i, key in ipairs(KEYS) do
    local interval, burst = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
    tat[i] = math.max(tonumber(redis.call('GET', key) or 0), now) + interval
    wait = math.max(wait, tat[i] - now - burst - 0.000001)
    ahead[i] = string.format('%.6f', tat[i] - now)
end
local reply = string.format('%.6f ', wait) .. table.concat(ahead, ' ')
if wait > 0 then return reply end
for i, key in ipairs(KEYS) do
    local lifetime = math.max(tonumber(ARGV[2 * #KEYS + 1]), math.ceil((tat[i] - now) * 1000))
    redis.call('SET', key, string.format('%.6f', tat[i]), 'PX', lifetime)
end
return reply
"""
REFUND = """
for i, key in ipairs(KEYS) do
    local tat = redis.call('GET', key)
    if tat then redis.call('SET', key, string.format('%.6f', tat - ARGV[i]), 'KEEPTTL') end
end
return '0'
"""


class Charge(NamedTuple):
    """A number of uses of one counter. The name of the counter is stored as a keyed digest only."""

    name: str
    rate: Rate
    uses: int = 1

    @property
    def seconds(self) -> float:
        """The seconds that the charge adds to the TAT."""
        return self.uses * self.rate.interval

    @property
    def policy(self) -> str:
        """The limited action: the first word of the name."""
        return self.name.partition(" ")[0]


class RateLimiter:
    """Counts in Redis, shared by all workers; while Redis is down, in the memory of the process."""

    def __init__(self, scripts: ScriptRunner, secret: str) -> None:
        self._scripts = scripts
        self._key = derive_key(secret, b"imts-limits")
        self._local = _LocalLimits()
        self._seen = _LastSeen()
        # Quotas by caller. They are valid for the second and the number of changes in `_reported_at`.
        self._reported: dict[Hashable, Quota] = {}
        self._reported_at = (0, 0)
        self._redis_again = 0.0

    async def charge(self, charges: Sequence[Charge]) -> None:
        """Charge all of these, or raise TooManyRequests and charge none."""
        keys = [self._digest(charge.name) for charge in charges]
        budget = [value for charge in charges for value in (charge.seconds, charge.rate.seconds)]
        reply = await self._in_redis(CHARGE, keys, [*budget, LIFETIME_MS])
        if reply is None:
            reply = self._local.charge(keys, charges)
        wait, *ahead = reply
        for key, charge, seconds in zip(keys, charges, ahead, strict=True):
            charged = wait <= 0
            self._seen.note(key, seconds if charged else seconds - charge.seconds)
            note_quota(_quota(charge, seconds, charged=charged))
        if wait > 0:
            raise TooManyRequests(math.ceil(wait))

    def report(self, caller: Hashable, charges: Callable[[], Sequence[Charge]]) -> None:
        """Note the last quota that this process saw for a caller's charges, without a charge.

        For cached responses, which must not wait for Redis a second time. `charges` is called only
        if a second or a charge has passed since the last report for the same caller.
        """
        now = (self._seen.changes, int(time.monotonic()))
        if now != self._reported_at:
            self._reported.clear()
            self._reported_at = now
        quota = self._reported.get(caller)
        if quota is None:
            quota = self._reported[caller] = min(map(self._last_seen, charges()), key=lambda one: one.remaining)
        note_quota(quota)

    def _last_seen(self, charge: Charge) -> Quota:
        return _quota(charge, self._seen.ahead(self._digest(charge.name)), charged=True)

    async def refund(self, charges: Sequence[Charge]) -> None:
        """Reverse these charges, for example of a successful sign-in."""
        keys = [self._digest(charge.name) for charge in charges]
        if await self._in_redis(REFUND, keys, [charge.seconds for charge in charges]) is None:
            self._local.refund(keys, charges)
        note_refund()

    async def _in_redis(self, script: str, keys: list[str], arguments: list[float]) -> list[float] | None:
        if time.monotonic() < self._redis_again:
            return None
        try:
            return [float(number) for number in (await self._scripts.run(script, keys, arguments)).split()]
        except CacheUnavailable:
            self._redis_again = time.monotonic() + RETRY_REDIS_SECONDS
            return None

    def _digest(self, name: str) -> str:
        digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), key=self._key, digest_size=16)
        return f"limit:{digest.hexdigest()}"


def _quota(charge: Charge, ahead: float, *, charged: bool) -> Quota:
    """Return the quota. `ahead` is the time until the TAT, and includes the charge even if it was refused."""
    rate = charge.rate
    seconds = ahead if charged else ahead - charge.seconds
    remaining = math.floor((rate.seconds - seconds) / rate.interval + 1e-6)
    return Quota(
        rate.count, rate.seconds, max(0, min(rate.count, remaining)), max(0, math.ceil(seconds)), charge.policy
    )


class _LastSeen:
    """The last TAT of each counter that this process saw; bounded in number.

    `changes` counts the updates.
    """

    def __init__(self) -> None:
        self.changes = 0
        self._tat: OrderedDict[str, float] = OrderedDict()

    def note(self, key: str, ahead: float) -> None:
        self.changes += 1
        self._tat[key] = time.monotonic() + ahead
        self._tat.move_to_end(key)
        if len(self._tat) > MAX_LOCAL:
            self._tat.popitem(last=False)

    def ahead(self, key: str) -> float:
        """Return the seconds until the TAT, 0 for an unknown counter."""
        return max(0.0, self._tat.get(key, 0.0) - time.monotonic())


class _LocalLimits:
    """The same algorithm in memory, for a bounded number of counters."""

    def __init__(self) -> None:
        self._tat: OrderedDict[str, float] = OrderedDict()

    def charge(self, keys: Sequence[str], charges: Sequence[Charge]) -> list[float]:
        now = asyncio.get_running_loop().time()
        tat = [max(self._tat.get(key, 0), now) + charge.seconds for key, charge in zip(keys, charges, strict=True)]
        wait = max(one - now - charge.rate.seconds - 1e-6 for one, charge in zip(tat, charges, strict=True))
        reply = [wait, *(one - now for one in tat)]
        if wait > 0:
            return reply
        for key, one in zip(keys, tat, strict=True):
            self._tat[key] = one
            self._tat.move_to_end(key)
        while len(self._tat) > MAX_LOCAL:
            self._tat.popitem(last=False)
        return reply

    def refund(self, keys: Sequence[str], charges: Sequence[Charge]) -> None:
        for key, charge in zip(keys, charges, strict=True):
            if key in self._tat:
                self._tat[key] -= charge.seconds
