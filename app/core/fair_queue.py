"""A bounded, fair queue in front of a resource with a fixed number of slots.

The order is that of start-time fair queuing: Goyal, Vin and Cheng, "Start-time Fair Queuing", IEEE/ACM Transactions on
Networking 5(5), 1997. Every request costs 1. There are two levels: addresses share the resource, and the accounts of an
address share its part. A client with 200 requests in the queue delays a new client by one request only, whether the
client has many accounts at one address or one account at many addresses.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from app.core.callers import Caller
from app.core.errors import ClientDisconnected, TooManyConcurrentRequests, Unavailable

# The keys of the flows of a request: its account and its address.
_Keys = tuple[str, str]
# Above this number, flows that no longer matter are removed.
MAX_FLOWS = 1000
# After a refusal for cost, the flow has one slot at a time for this long.
PENALTY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """`slots` requests run at a time, of one account and of one address at most those given.

    Up to `waiting` requests wait, of one account or address up to `waiting_each`, each for at most `seconds`.
    """

    slots: int
    account: int
    address: int
    waiting: int
    waiting_each: int
    seconds: float


class _Waiter:
    __slots__ = ("future", "keys", "tag")

    def __init__(self, tag: float, keys: "_Keys") -> None:
        # The start tag in the flow of the account.
        self.tag, self.keys = tag, keys
        self.future: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class FairQueue:
    """Admits requests to a shared resource. `busy` is the error for a full queue and for a wait that is too long."""

    def __init__(self, name: str, limits: QueueLimits, busy: type[Unavailable]) -> None:
        self.name = name
        self.limits = limits
        self._busy = busy
        self._held = 0
        self._running: Counter[str] = Counter()
        self._waiting: Counter[str] = Counter()
        self._waiters: list[_Waiter] = []
        # The virtual time, and the start tag that the next request of a flow has at least.
        self._virtual = 0.0
        self._next: dict[str, float] = {}
        self._penalties: dict[str, float] = {}

    @property
    def held(self) -> int:
        """The number of slots in use."""
        return self._held

    @property
    def length(self) -> int:
        """The number of requests that wait."""
        return len(self._waiters)

    @asynccontextmanager
    async def enter(self, caller: Caller | None) -> AsyncIterator[None]:
        """Hold a slot during the block, after a wait for it. Outside of a request there is no wait.

        Raises TooManyConcurrentRequests when the caller itself has too many requests here, `busy` when all callers
        together have, ClientDisconnected when the client has disconnected during the wait.
        """
        if caller is None or self in caller.inside:
            yield
            return
        keys = _keys(caller)
        await self._acquire(keys, caller)
        caller.inside.add(self)
        try:
            yield
        finally:
            caller.inside.discard(self)
            self._release(keys)

    def penalise(self, caller: Caller | None) -> None:
        """Allow the caller one slot at a time for PENALTY_SECONDS: its last request was refused for its cost."""
        now = time.monotonic()
        self._penalties = {key: until for key, until in self._penalties.items() if until > now}
        if caller is not None and len(self._penalties) < MAX_FLOWS:
            self._penalties.update(dict.fromkeys(_keys(caller), now + PENALTY_SECONDS))

    async def _acquire(self, keys: _Keys, caller: Caller) -> None:
        if self._can_start(keys):
            self._start(keys, self._rank(keys, self._tag(keys[0]))[0], is_contended=bool(self._waiters))
            return
        self._refuse_if_full(keys)
        account, address = keys
        waiter = _Waiter(self._tag(account), keys)
        self._next[account] = waiter.tag + 1
        if not self._waiting[address]:
            self._next[address] = self._tag(address)
        await self._wait(waiter)
        if await self._is_disconnected(keys, caller):
            self._release(keys)
            raise ClientDisconnected

    async def _wait(self, waiter: _Waiter) -> None:
        self._waiters.append(waiter)
        self._waiting.update(waiter.keys)
        try:
            async with asyncio.timeout(self.limits.seconds):
                await waiter.future
        except BaseException as error:
            if waiter.future.done() and not waiter.future.cancelled():
                self._release(waiter.keys)
            else:
                self._forget(waiter)
            if isinstance(error, TimeoutError):
                raise self._too_slow(waiter.keys) from None
            raise

    async def _is_disconnected(self, keys: _Keys, caller: Caller) -> bool:
        try:
            return await caller.is_disconnected()
        except BaseException:
            self._release(keys)
            raise

    def _can_start(self, keys: _Keys) -> bool:
        return self._held < self.limits.slots and not self._is_at_limit(keys)

    def _is_at_limit(self, keys: _Keys) -> bool:
        account, address = keys
        running = self._running
        return running.get(account, 0) >= self._limit(account) or running.get(address, 0) >= self._limit(address)

    def _limit(self, key: str) -> int:
        if self._penalties and self._penalties.get(key, 0.0) > time.monotonic():
            return 1
        return self.limits.account if key.startswith("account") else self.limits.address

    def _tag(self, key: str) -> float:
        return max(self._virtual, self._next.get(key, 0.0))

    def _rank(self, keys: _Keys, tag: float) -> tuple[float, float]:
        """Return the place in the order: by address, or by account where that is further behind; then by account."""
        return max(self._next.get(keys[1], self._virtual), tag), tag

    def _start(self, keys: _Keys, tag: float, *, is_contended: bool) -> None:
        self._held += 1
        # Not `update`, which takes longer than the rest of this.
        for key in keys:
            self._running[key] = self._running.get(key, 0) + 1
        if is_contended:
            self._virtual = max(self._virtual, tag)
            self._next[keys[1]] = tag + 1
            self._forget_flows()

    def _forget_flows(self) -> None:
        """Remove the flows that are not ahead of the virtual time and do not wait, and if they are too many, all."""
        if len(self._next) > MAX_FLOWS:
            self._next = {key: tag for key, tag in self._next.items() if tag > self._virtual or self._waiting[key]}
        if len(self._next) > 2 * MAX_FLOWS:
            self._next.clear()

    def _release(self, keys: _Keys) -> None:
        self._held -= 1
        _subtract(self._running, keys)
        # Several may start: the flow that ends may have been at its limit.
        while self._held < self.limits.slots and (waiter := self._first()):
            rank, _ = self._rank(waiter.keys, waiter.tag)
            self._forget(waiter)
            self._start(waiter.keys, rank, is_contended=True)
            waiter.future.set_result(None)

    def _first(self) -> _Waiter | None:
        """Return the waiter that starts next; of equals, the one that came first."""
        # A waiter that was cancelled a moment ago has not run yet.
        able = (one for one in self._waiters if not one.future.done() and not self._is_at_limit(one.keys))
        return min(able, key=lambda one: self._rank(one.keys, one.tag), default=None)

    def _forget(self, waiter: _Waiter) -> None:
        self._waiters.remove(waiter)
        _subtract(self._waiting, waiter.keys)

    def _refuse_if_full(self, keys: _Keys) -> None:
        if any(self._waiting[key] >= self.limits.waiting_each for key in keys):
            raise TooManyConcurrentRequests(
                1, f"{self.limits.waiting_each} of your requests wait for {self.name} already"
            )
        if len(self._waiters) >= self.limits.waiting:
            raise self._busy

    def _too_slow(self, keys: _Keys) -> Exception:
        if self._held < self.limits.slots and self._is_at_limit(keys):
            waited = f"this one has waited {self.limits.seconds:g} s for them"
            return TooManyConcurrentRequests(1, f"Your other requests for {self.name} are still running; {waited}")
        return self._busy()


def _keys(caller: Caller) -> _Keys:
    # All requests of an address without an account count as one account.
    return f"account {caller.account or caller.address}", f"address {caller.address}"


def _subtract(counts: Counter[str], keys: _Keys) -> None:
    for key in keys:
        counts[key] -= 1
        if not counts[key]:
            del counts[key]
