"""K5: every queue in front of a shared resource is bounded and fair to all clients.

The registry is the service itself: every `FairQueue` that a running service has made, and every semaphore, executor and
connection pool in the source.
"""

import asyncio
import gc
import re
import uuid
from collections import Counter
from collections.abc import Iterator

import asyncpg
import pytest

from app.core.callers import Caller
from app.core.errors import TooManyRequests, Unavailable
from app.core.fair_queue import FairQueue
from app.core.settings import Settings
from tests.support.paths import ROOT
from tests.support.server import running_service

QUEUES = {
    "a password",
    "bulk edits",
    "changes",
    "connections",
    "decoders",
    "searches",
    "tag lists",
    "uploads",
}
# Bounded resources without a FairQueue directly in front, each with the reason why its queue is bounded.
BOUNDED = {
    ("app/core/passwords.py", "ThreadPoolExecutor"): "the queue for passwords",
    ("app/search/executor.py", "Semaphore"): "SEARCH_TIMEOUT_MS, behind the queue for searches",
    ("app/db/engine.py", "create_async_engine"): "the queues for connections and for searches",
    ("app/media/decoder_pool.py", "Semaphore"): "the queue for decoders",
    ("app/telemetry/recording/recorder.py", "ThreadPoolExecutor"): "TELEMETRY_QUEUE_SIZE: batches, one at a time",
}
RESOURCES = {"Semaphore", "BoundedSemaphore", "ThreadPoolExecutor", "ProcessPoolExecutor", "create_async_engine"}


@pytest.fixture
async def queues(settings: Settings, sql: asyncpg.Connection) -> dict[str, FairQueue]:
    """The queues of a separate service, by name."""
    assert sql
    before = {id(one) for one in list_queues()}
    async with running_service(settings):
        made = [one for one in list_queues() if id(one) not in before]
    return {queue.name: queue for queue in made}


def list_queues() -> list[FairQueue]:
    """Return every queue of this process."""
    # By `type`: `isinstance` would ask dead weak proxies for their class.
    return [one for one in gc.get_objects() if type(one) is FairQueue]


def caller_at(address: str, account: uuid.UUID | None = None) -> Caller:
    caller = Caller(address)
    caller.account = account
    return caller


def flood_callers(number: int) -> Iterator[Caller]:
    """One address with a different account for each request, because accounts are free."""
    return (caller_at("192.0.2.1", uuid.uuid4()) for _ in range(number))


async def test_k5_one_client_fills_no_queue(queues: dict[str, FairQueue]) -> None:
    assert set(queues) >= QUEUES
    for name, queue in queues.items():
        await _flood(name, queue)


async def _flood(name: str, queue: FairQueue) -> None:
    number = 10 * (queue.limits.slots + queue.limits.waiting_each)
    outcomes: Counter[str] = Counter()

    async def work(caller: Caller) -> None:
        try:
            async with queue.enter(caller):
                await asyncio.sleep(0)
                outcomes["served"] += 1
        except (TooManyRequests, Unavailable) as error:
            outcomes[error.slug if error.retry_after >= 1 else "without Retry-After"] += 1

    flood = [asyncio.create_task(work(caller)) for caller in flood_callers(number)]
    await asyncio.sleep(0)
    assert queue.length <= queue.limits.waiting_each, name
    assert queue.held <= queue.limits.address, name
    served = outcomes["served"]
    await work(caller_at("198.51.100.1", uuid.uuid4()))
    # The honest request waited for the running ones and for one earlier request.
    assert outcomes["served"] - served <= 2 * queue.limits.slots + 2, name
    await asyncio.gather(*flood)
    assert outcomes["too-many-requests"] >= number // 2, name
    assert set(outcomes) == {"served", "too-many-requests"}, name
    assert (queue.held, queue.length) == (0, 0), name


async def test_k5_what_is_cancelled_does_not_run(queues: dict[str, FairQueue]) -> None:
    for name, queue in queues.items():
        ran: list[int] = []
        release = asyncio.Event()

        async def hold(queue: FairQueue = queue, release: asyncio.Event = release) -> None:
            async with queue.enter(caller_at("192.0.2.1")):
                await release.wait()

        async def work(queue: FairQueue = queue, ran: list[int] = ran) -> None:
            async with queue.enter(caller_at("192.0.2.1")):
                ran.append(1)

        holding = [asyncio.create_task(hold()) for _ in range(min(queue.limits.account, queue.limits.address))]
        await asyncio.sleep(0)
        waiting = [asyncio.create_task(work()) for _ in range(queue.limits.waiting_each)]
        await asyncio.sleep(0)
        assert queue.length == len(waiting), name
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        release.set()
        await asyncio.gather(*holding)
        assert (ran, queue.held, queue.length) == ([], 0, 0), name


def test_k5_every_bounded_resource_has_a_bounded_queue() -> None:
    found = set()
    # The commands are left out, because they have one user.
    for path in sorted(set((ROOT / "app").rglob("*.py")) - set((ROOT / "app" / "cli").rglob("*.py"))):
        calls = re.findall(r"\b(?<!class )(\w+)\(", path.read_text())
        found |= {(str(path.relative_to(ROOT)), name) for name in calls if name in RESOURCES}
    assert found == set(BOUNDED)
