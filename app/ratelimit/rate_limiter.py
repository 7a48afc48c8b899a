"""Rate limits by the generic cell rate algorithm (GCRA, ITU-T I.371), shared through Redis, else per process.

Each limited thing has one number, the time at which it would be as if nothing had happened. A charge moves it on by
one interval; it is refused when that would be further away than the rate's whole burst. Several charges are made
together or not at all, so that a refused attempt makes nobody wait longer.
"""

import asyncio
import hashlib
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

from app.cache.redis_client import CacheUnavailable, RedisClient
from app.core.errors import TooManyRequests
from app.core.rate_limit import Rate
from app.core.security import derive_key
from app.ratelimit.request_quota import Quota, note_quota, note_refund

# After a failure Redis is left alone for so long: otherwise each sign-in would wait for its time-out.
RETRY_REDIS_SECONDS = 5.0
MAX_LOCAL = 20_000

# A key lives at least so long, in milliseconds: longer than any cached answer, so that a full Redis with the policy
# `volatile-ttl` removes answers and not limits.
LIFETIME_MS = 2 * 3600 * 1000

# KEYS: the limited things. ARGV: for each, the seconds that the charge takes and the burst in seconds; last, how long
# the keys live, in milliseconds. Returns the seconds to wait, 0 = done, and how many seconds each is ahead of the time
# at which it would be as if nothing had happened.
CHARGE = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local wait, due, ahead = 0, {}, {}
for i, key in ipairs(KEYS) do
    local interval, burst = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
    due[i] = math.max(tonumber(redis.call('GET', key) or 0), now) + interval
    wait = math.max(wait, due[i] - now - burst - 0.000001)
    ahead[i] = string.format('%.6f', due[i] - now)
end
local told = string.format('%.6f ', wait) .. table.concat(ahead, ' ')
if wait > 0 then return told end
for i, key in ipairs(KEYS) do
    local lifetime = math.max(tonumber(ARGV[2 * #KEYS + 1]), math.ceil((due[i] - now) * 1000))
    redis.call('SET', key, string.format('%.6f', due[i]), 'PX', lifetime)
end
return told
"""
REFUND = """
for i, key in ipairs(KEYS) do
    local due = redis.call('GET', key)
    if due then redis.call('SET', key, string.format('%.6f', due - ARGV[i]), 'KEEPTTL') end
end
return '0'
"""


class Charge(NamedTuple):
    """Uses of something limited: its name, which is stored only as a keyed digest, its rate, and how many uses."""

    name: str
    rate: Rate
    uses: int = 1

    @property
    def seconds(self) -> float:
        """By how much the charge moves the thing's time on."""
        return self.uses * self.rate.interval

    @property
    def policy(self) -> str:
        """The limited action, with which the name begins."""
        return self.name.partition(" ")[0]


class RateLimits:
    """Counts in Redis, so that all workers count together; on its own while Redis is away."""

    def __init__(self, cache: RedisClient, secret: str) -> None:
        self._cache = cache
        self._key = derive_key(secret, b"imts-limits")
        self._local = _LocalLimits()
        self._seen = _LastSeen()
        # By caller, as they were in the second and after the charge that `_reported_at` holds.
        self._reported: dict[Hashable, Quota] = {}
        self._reported_at = (0, 0)
        self._redis_again = 0.0

    async def charge(self, charges: Sequence[Charge]) -> None:
        """Charge all of these, or raise TooManyRequests and charge none."""
        keys = [self._digest(charge.name) for charge in charges]
        budget = [value for charge in charges for value in (charge.seconds, charge.rate.seconds)]
        told = await self._in_redis(CHARGE, keys, [*budget, LIFETIME_MS])
        if told is None:
            told = self._local.charge(keys, charges)
        wait, *ahead = told
        for key, charge, seconds in zip(keys, charges, ahead, strict=True):
            charged = wait <= 0
            self._seen.note(key, seconds if charged else seconds - charge.seconds)
            note_quota(_quota(charge, seconds, charged=charged))
        if wait > 0:
            raise TooManyRequests(math.ceil(wait))

    def report(self, caller: Hashable, charges: Callable[[], Sequence[Charge]]) -> None:
        """Note the quota that a caller's charges would use, without a charge: as this process saw it last.

        For responses that are served from a cache, which must not wait for Redis once more. `charges` is called only
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
        """Take these charges back: what they were for turned out to be harmless."""
        keys = [self._digest(charge.name) for charge in charges]
        if await self._in_redis(REFUND, keys, [charge.seconds for charge in charges]) is None:
            self._local.refund(keys, charges)
        note_refund()

    async def _in_redis(self, script: str, keys: list[str], arguments: list[float]) -> list[float] | None:
        if time.monotonic() < self._redis_again:
            return None
        try:
            return [float(number) for number in (await self._cache.run_script(script, keys, arguments)).split()]
        except CacheUnavailable:
            self._redis_again = time.monotonic() + RETRY_REDIS_SECONDS
            return None

    def _digest(self, name: str) -> str:
        digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), key=self._key, digest_size=16)
        return f"limit:{digest.hexdigest()}"


def _quota(charge: Charge, ahead: float, *, charged: bool) -> Quota:
    """Read the quota off the number; what was not charged is ahead by so much less."""
    rate = charge.rate
    seconds = ahead if charged else ahead - charge.seconds
    remaining = math.floor((rate.seconds - seconds) / rate.interval + 1e-6)
    return Quota(
        rate.count, rate.seconds, max(0, min(rate.count, remaining)), max(0, math.ceil(seconds)), charge.policy
    )


class _LastSeen:
    """When each limited thing will be as if nothing had happened, as this process saw it last; bounded in number.

    `changes` counts the notes.
    """

    def __init__(self) -> None:
        self.changes = 0
        self._due: OrderedDict[str, float] = OrderedDict()

    def note(self, key: str, ahead: float) -> None:
        self.changes += 1
        self._due[key] = time.monotonic() + ahead
        self._due.move_to_end(key)
        if len(self._due) > MAX_LOCAL:
            self._due.popitem(last=False)

    def ahead(self, key: str) -> float:
        """Return the seconds until then, 0 for a thing that was not seen."""
        return max(0.0, self._due.get(key, 0.0) - time.monotonic())


class _LocalLimits:
    """The same algorithm in this process's memory, which holds a bounded number of things."""

    def __init__(self) -> None:
        self._due: OrderedDict[str, float] = OrderedDict()

    def charge(self, keys: Sequence[str], charges: Sequence[Charge]) -> list[float]:
        now = asyncio.get_running_loop().time()
        due = [max(self._due.get(key, 0), now) + charge.seconds for key, charge in zip(keys, charges, strict=True)]
        wait = max(one - now - charge.rate.seconds - 1e-6 for one, charge in zip(due, charges, strict=True))
        told = [wait, *(one - now for one in due)]
        if wait > 0:
            return told
        for key, one in zip(keys, due, strict=True):
            self._due[key] = one
            self._due.move_to_end(key)
        while len(self._due) > MAX_LOCAL:
            self._due.popitem(last=False)
        return told

    def refund(self, keys: Sequence[str], charges: Sequence[Charge]) -> None:
        for key, charge in zip(keys, charges, strict=True):
            if key in self._due:
                self._due[key] -= charge.seconds
