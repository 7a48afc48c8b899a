"""A bounded, fair queue in front of a resource with a fixed number of slots.

The order is that of start-time fair queuing (Goyal, Vin and Cheng, "Start-time Fair Queuing", IEEE/ACM Transactions on
Networking 5(5), 1997), with every request of cost 1. A flow is an address or an account; a request belongs to both of
its flows. Its start tag is the largest of the virtual time and of the finish tags of its flows, so that a client with
200 requests in the queue delays a new client by one request only.
"""

import asyncio
import itertools
import time
from bisect import insort
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from app.core.callers import Caller
from app.core.errors import ClientGone, TooManyConcurrentRequests, Unavailable

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
    __slots__ = ("future", "keys", "order", "tag")

    def __init__(self, tag: float, order: int, keys: Sequence[str]) -> None:
        self.tag, self.order, self.keys = tag, order, keys
        self.future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def __lt__(self, other: "_Waiter") -> bool:
        return (self.tag, self.order) < (other.tag, other.order)


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
        self._order = itertools.count()
        self._virtual = 0.0
        self._finish: dict[str, float] = {}
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
        together have, ClientGone when the client has disconnected during the wait.
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

    async def _acquire(self, keys: Sequence[str], caller: Caller) -> None:
        tag = max(self._virtual, *(self._finish.get(key, 0.0) for key in keys))
        if self._can_start(keys):
            if self._waiters:
                self._take_tag(keys, tag)
            self._start(keys, tag)
            return
        self._refuse_if_full(keys)
        self._take_tag(keys, tag)
        await self._wait(_Waiter(tag, next(self._order), keys))
        if await self._is_gone(keys, caller):
            self._release(keys)
            raise ClientGone

    async def _wait(self, waiter: _Waiter) -> None:
        insort(self._waiters, waiter)
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

    async def _is_gone(self, keys: Sequence[str], caller: Caller) -> bool:
        try:
            return await caller.is_gone()
        except BaseException:
            self._release(keys)
            raise

    def _can_start(self, keys: Sequence[str]) -> bool:
        return self._held < self.limits.slots and not self._is_at_limit(keys)

    def _is_at_limit(self, keys: Sequence[str]) -> bool:
        return any(self._running[key] >= self._limit(key) for key in keys)

    def _limit(self, key: str) -> int:
        if self._penalties.get(key, 0.0) > time.monotonic():
            return 1
        return self.limits.account if key.startswith("account") else self.limits.address

    def _take_tag(self, keys: Sequence[str], tag: float) -> None:
        if len(self._finish) > MAX_FLOWS:
            self._finish = {key: finish for key, finish in self._finish.items() if finish > self._virtual}
        if len(self._finish) > MAX_FLOWS:
            self._virtual = max(self._finish.values())
            self._finish.clear()
        self._finish.update(dict.fromkeys(keys, tag + 1))

    def _start(self, keys: Sequence[str], tag: float) -> None:
        self._held += 1
        self._running.update(keys)
        self._virtual = max(self._virtual, tag)

    def _release(self, keys: Sequence[str]) -> None:
        self._held -= 1
        _subtract(self._running, keys)
        if not self._waiters:
            return
        # Several may start: the flow that ends may have been at its limit.
        for waiter in tuple(self._waiters):
            if self._held >= self.limits.slots:
                return
            # A waiter that was cancelled a moment ago has not run yet.
            if not waiter.future.done() and not self._is_at_limit(waiter.keys):
                self._forget(waiter)
                self._start(waiter.keys, waiter.tag)
                waiter.future.set_result(None)

    def _forget(self, waiter: _Waiter) -> None:
        self._waiters.remove(waiter)
        _subtract(self._waiting, waiter.keys)

    def _refuse_if_full(self, keys: Sequence[str]) -> None:
        if any(self._waiting[key] >= self.limits.waiting_each for key in keys):
            raise TooManyConcurrentRequests(
                1, f"{self.limits.waiting_each} of your requests wait for {self.name} already"
            )
        if len(self._waiters) >= self.limits.waiting:
            raise self._busy

    def _too_slow(self, keys: Sequence[str]) -> Exception:
        if self._held < self.limits.slots and self._is_at_limit(keys):
            waited = f"this one has waited {self.limits.seconds:g} s for them"
            return TooManyConcurrentRequests(1, f"Your other requests for {self.name} are still running; {waited}")
        return self._busy()


def _keys(caller: Caller) -> tuple[str, str]:
    # All requests of an address without an account count as one account.
    return f"account {caller.account or caller.address}", f"address {caller.address}"


def _subtract(counts: Counter[str], keys: Sequence[str]) -> None:
    for key in keys:
        counts[key] -= 1
        if not counts[key]:
            del counts[key]
