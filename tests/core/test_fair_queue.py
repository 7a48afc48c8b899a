"""Fair queues: limits, and fairness by address and account."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import pytest

from app.core.callers import Caller
from app.core.errors import ClientDisconnected, DatabaseBusy, TooManyRequests
from app.core.fair_queue import FairQueue, QueueLimits


def make_queue(**limits: float) -> FairQueue:
    values = {"slots": 2, "account": 2, "address": 2, "waiting": 100, "waiting_each": 100, "seconds": 60} | limits
    return FairQueue("tests", QueueLimits(**values), DatabaseBusy)  # type: ignore[arg-type]


def make_caller(address: str = "192.0.2.1", account: uuid.UUID | None = None) -> Caller:
    caller = Caller(address)
    caller.account = account
    return caller


async def pass_through(queue: FairQueue, caller: Caller, work: Callable[[], Awaitable[object]] | None = None) -> None:
    async with queue.enter(caller):
        await (work or (lambda: asyncio.sleep(0)))()


@contextmanager
def flood(queue: FairQueue, callers: list[Caller], served: list[str]) -> Iterator[list[asyncio.Task[None]]]:
    async def enter(caller: Caller) -> None:
        async with queue.enter(caller):
            served.append(caller.address)
            await asyncio.sleep(0)

    tasks = [asyncio.create_task(enter(caller)) for caller in callers]
    yield tasks


async def test_k5_the_slots_are_never_exceeded_and_one_flow_is_served_in_order() -> None:
    queue, order, most = make_queue(), list[int](), 0

    async def work(number: int) -> None:
        nonlocal most
        async with queue.enter(make_caller()):
            order.append(number)
            most = max(most, queue.held)
            await asyncio.sleep(0)

    await asyncio.gather(*(work(number) for number in range(50)))
    assert order == list(range(50))
    assert most == 2
    assert (queue.held, queue.length) == (0, 0)


async def test_k5_a_new_address_waits_for_one_request_of_a_flood() -> None:
    queue, served = make_queue(slots=1, address=1), list[str]()
    with flood(queue, [make_caller("192.0.2.1") for _ in range(60)], served) as tasks:
        await asyncio.sleep(0)
        with flood(queue, [make_caller("192.0.2.2")], served) as honest:
            await asyncio.gather(*honest)
        assert served.index("192.0.2.2") <= 3
        await asyncio.gather(*tasks)


async def test_f10_many_accounts_of_one_address_are_one_flow() -> None:
    queue, served = make_queue(slots=2), list[str]()
    attackers = [make_caller("192.0.2.1", uuid.uuid4()) for _ in range(60)]
    with flood(queue, attackers, served) as tasks:
        await asyncio.sleep(0)
        with flood(queue, [make_caller("192.0.2.2", uuid.uuid4()) for _ in range(3)], served) as honest:
            await asyncio.gather(*honest)
        # Served in alternation with the flood.
        assert len(served) <= 12
        await asyncio.gather(*tasks)


async def test_k5_accounts_of_one_address_share_its_part() -> None:
    queue, served, crowd = make_queue(slots=1), list[str](), uuid.uuid4()
    honest = uuid.uuid4()

    async def enter(account: uuid.UUID) -> None:
        async with queue.enter(make_caller("192.0.2.1", account)):
            served.append(str(account))
            await asyncio.sleep(0)

    tasks = [asyncio.create_task(enter(crowd)) for _ in range(60)]
    await asyncio.sleep(0)
    tasks.append(asyncio.create_task(enter(honest)))
    await asyncio.gather(*tasks)
    assert served.index(str(honest)) <= 3


async def test_k5_one_account_from_many_addresses_is_one_flow() -> None:
    queue, served, account = make_queue(slots=2), list[str](), uuid.uuid4()
    with flood(queue, [make_caller(f"192.0.2.{n}", account) for n in range(60)], served) as tasks:
        await asyncio.sleep(0)
        with flood(queue, [make_caller("198.51.100.1")], served) as honest:
            await asyncio.gather(*honest)
        assert served.index("198.51.100.1") <= 5
        await asyncio.gather(*tasks)


async def test_k5_one_address_has_its_share_of_the_slots_only() -> None:
    queue, release = make_queue(slots=4, account=3, address=3), asyncio.Event()
    tasks = [asyncio.create_task(pass_through(queue, make_caller(), release.wait)) for _ in range(10)]
    await asyncio.sleep(0)
    assert (queue.held, queue.length) == (3, 7)
    await asyncio.wait_for(pass_through(queue, make_caller("192.0.2.2")), 1)
    release.set()
    await asyncio.gather(*tasks)


async def test_k5_an_ipv6_network_is_one_address() -> None:
    queue, release = make_queue(slots=4, address=1), asyncio.Event()
    callers = [make_caller(f"2001:db8:1:2::{n}") for n in range(1, 5)]
    tasks = [asyncio.create_task(pass_through(queue, one, release.wait)) for one in callers]
    await asyncio.sleep(0)
    assert queue.held == 1
    release.set()
    await asyncio.gather(*tasks)


async def test_k5_a_client_that_waits_too_often_is_refused_and_a_full_queue_is_busy() -> None:
    queue, release = make_queue(slots=1, waiting=4, waiting_each=3), asyncio.Event()
    tasks = [asyncio.create_task(pass_through(queue, make_caller(), release.wait)) for _ in range(4)]
    await asyncio.sleep(0)
    with pytest.raises(TooManyRequests) as refused:
        await pass_through(queue, make_caller())
    assert refused.value.retry_after == 1
    tasks.append(asyncio.create_task(pass_through(queue, make_caller("192.0.2.2"), release.wait)))
    await asyncio.sleep(0)
    with pytest.raises(DatabaseBusy):
        await pass_through(queue, make_caller("192.0.2.3"))
    release.set()
    await asyncio.gather(*tasks)


async def test_k5_a_wait_ends_with_an_error_that_names_its_cause() -> None:
    own = make_queue(slots=2, account=1, seconds=0.01)
    caller = make_caller(account=uuid.uuid4())
    async with own.enter(caller):
        with pytest.raises(TooManyRequests, match="Your other requests"):
            await pass_through(own, make_caller(account=caller.account))
    others = make_queue(slots=1, seconds=0.01)
    async with others.enter(caller):
        with pytest.raises(DatabaseBusy):
            await pass_through(others, make_caller("192.0.2.2"))
    assert (own.held, own.length, others.held, others.length) == (0, 0, 0, 0)


async def test_k5_cancelled_and_disconnected_clients_do_not_run() -> None:
    queue, ran = make_queue(slots=1), list[str]()

    async def work(caller: Caller, name: str) -> None:
        async with queue.enter(caller):
            ran.append(name)

    async def is_disconnected() -> bool:
        return True

    absent = make_caller()
    absent.is_disconnected = is_disconnected
    async with queue.enter(make_caller()):
        cancelled = asyncio.create_task(work(make_caller(), "cancelled"))
        disconnected = asyncio.create_task(work(absent, "disconnected"))
        present = asyncio.create_task(work(make_caller(), "present"))
        await asyncio.sleep(0)
        cancelled.cancel()
    outcomes = await asyncio.gather(cancelled, disconnected, present, return_exceptions=True)
    assert isinstance(outcomes[0], asyncio.CancelledError)
    assert isinstance(outcomes[1], ClientDisconnected)
    assert ran == ["present"]
    assert (queue.held, queue.length) == (0, 0)


async def test_k5_a_slot_that_is_granted_to_a_cancelled_waiter_is_passed_on() -> None:
    queue, release = make_queue(slots=1), asyncio.Event()
    holder = asyncio.create_task(pass_through(queue, make_caller(), release.wait))
    await asyncio.sleep(0)
    first = asyncio.create_task(pass_through(queue, make_caller()))
    second = asyncio.create_task(pass_through(queue, make_caller()))
    await asyncio.sleep(0)
    release.set()
    await holder
    first.cancel()
    await asyncio.wait_for(second, 1)
    assert (queue.held, queue.length) == (0, 0)


async def test_k5_a_request_inside_the_queue_does_not_wait_for_itself() -> None:
    queue, caller = make_queue(slots=1), make_caller()
    async with queue.enter(caller), queue.enter(caller):
        assert queue.held == 1
    assert queue.held == 0


async def test_f10_a_refusal_for_cost_reduces_the_slots() -> None:
    queue, release = make_queue(slots=3, account=3, address=3), asyncio.Event()
    queue.penalise(make_caller())
    tasks = [asyncio.create_task(pass_through(queue, make_caller(), release.wait)) for _ in range(3)]
    others = [asyncio.create_task(pass_through(queue, make_caller("192.0.2.2"), release.wait)) for _ in range(2)]
    await asyncio.sleep(0)
    assert (queue.held, queue.length) == (3, 2)
    release.set()
    await asyncio.gather(*tasks, *others)


async def test_k7_the_number_of_flows_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    max_flows = 100
    monkeypatch.setattr("app.core.fair_queue.MAX_FLOWS", max_flows)
    queue = make_queue(slots=1, waiting=5000)
    await asyncio.gather(
        *(pass_through(queue, make_caller(f"10.0.{n // 250}.{n % 250}")) for n in range(3 * max_flows))
    )
    assert len(queue._next) <= 2 * max_flows + 1
    assert not queue._running
    assert not any(queue._waiting.values())
